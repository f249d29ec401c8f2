"""An alarm outlives the process, and a broken file does not stop the next one."""

import json
import math

import pytest
from prometheus_client import CollectorRegistry
from starlette.testclient import TestClient

from service.cameras.alarm import Acknowledgement, AlarmState, CameraAlarm
from service.cameras.camera import Camera, CameraView
from service.cameras.evidence import AlarmPolicy
from service.cameras.metrics import CameraMetrics
from service.cameras.pictures.health import PastCounts
from service.cameras.registry import Cameras
from service.cameras.rules import CameraFile
from service.cameras.storage import snapshot
from service.runtime.slot import LoadedModel
from service.server.app import create_app
from service.settings import Settings
from tests.cpu_time import least_cpu_s
from tests.pictures import file_of, plain, plume


def alarmed() -> Camera:
    box = (0.1, 0.2, 0.3, 0.4)
    by = Acknowledgement("anna", 42.0)
    alarm = CameraAlarm(AlarmState.ALARM, 10.0, 1.5, 4, 300.0, [box], ended_s=5.0, acknowledged=by)
    return Camera("ridge", "ridge", {"": CameraView(alarm)})


def entry(key: str, value: object) -> str:
    """A snapshot of one camera, sound but for one value."""
    sound = {"state": "alarm", "since_s": 1, "score": 1, "frames": 1, "newest_s": 1, "ended_s": 1, "places": []}
    return json.dumps({"schema": 1, "cameras": {"a": {**sound, key: value}}})


def test_what_is_read_is_what_was_written_and_says_that_it_is_restored(tmp_path):
    file = tmp_path / "state.json"
    snapshot.write_snapshot(snapshot.snapshot_of([alarmed()], 400.0), file)
    (camera_id, kept), *rest = snapshot.read_snapshot(file).items()
    before, watch = alarmed().alarm, kept.views[""]
    assert (camera_id, rest, len(kept.views)) == ("ridge", [], 1)
    for name in ("state", "since_s", "score", "frames", "newest_s", "places", "ended_s", "acknowledged"):
        assert getattr(watch, name) == getattr(before, name)
    assert watch.restored
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def many() -> list[Camera]:
    """5,000 cameras with weeks behind them."""
    cameras = []
    for number in range(5_000):
        camera = Camera(f"camera-{number}", f"camera-{number}", last_frame_s=60.0)
        for name, bins in (("brightness", 20), ("contrast", 20), ("epistemic", 12), ("novelty", 10)):
            days = [[1234.0] * bins for _ in range(7)]
            camera.drift.past[name] = PastCounts(20, [12.0] * bins, days, [math.pi] * bins, 20, [0.125, 0.25])
        cameras.append(camera)
    return cameras


def test_as_many_cameras_as_can_be_remembered_outlive_a_restart(tmp_path):
    file = tmp_path / "state.json"
    cameras = many()
    snapshot.write_snapshot(snapshot.snapshot_of(cameras, 400.0), file)
    assert file.stat().st_size * 20_000 / len(cameras) < snapshot.STATE_BYTES_MAX
    kept = snapshot.read_snapshot(file)
    assert len(kept) == len(cameras)
    assert kept["camera-0"].past == cameras[0].drift.past


def test_the_default_number_of_cameras_is_described_without_holding_up_a_frame():
    cameras = many()[:400]
    assert least_cpu_s(lambda: snapshot.snapshot_of(cameras, 400.0)) < 0.05


def test_a_state_file_behind_a_link_is_written_to_where_that_leads(tmp_path):
    """The file took the place of the link, and was gone with the container that it lay in."""
    link, volume = tmp_path / "state.json", tmp_path / "volume"
    volume.mkdir()
    link.symlink_to(volume / "state.json")
    snapshot.write_snapshot(snapshot.snapshot_of([alarmed()], 400.0), Settings.load(state_file=link).state_file)
    assert link.is_symlink()
    assert "ridge" in snapshot.read_snapshot(volume / "state.json")


def test_each_view_of_a_camera_is_kept(tmp_path):
    file = tmp_path / "state.json"
    camera = alarmed()
    camera.views = {"": CameraView(), "east": camera.views[""], "west": CameraView()}
    snapshot.write_snapshot(snapshot.snapshot_of([camera], 400.0), file)
    known = Cameras(8, CameraFile(None, AlarmPolicy()), CameraMetrics(CollectorRegistry()))
    snapshot.restore(known, file)
    restored = known.get("ridge")
    assert (restored.leading, restored.alarm.state, restored.alarm.restored) == ("east", AlarmState.ALARM, True)
    assert restored.views[""].alarm.state is AlarmState.CLEAR


def test_when_the_last_frame_of_a_camera_came_and_how_its_days_were_outlive_a_restart(tmp_path):
    file = tmp_path / "state.json"
    before = Camera("calm", "calm", last_frame_s=1_000.0)
    for hour in range(24 * 13):
        before.drift.take({"brightness": 0.4 if hour < 24 * 9 else 0.6, "epistemic": 1e-5}, {}, 3600.0 * hour)
    snapshot.write_snapshot(snapshot.snapshot_of([before], 2_000.0), file)
    registry = CollectorRegistry()
    known = Cameras(8, CameraFile(None, AlarmPolicy()), CameraMetrics(registry))
    snapshot.restore(known, file)
    after = known.get("calm")
    assert (after.last_frame_s, after.alarm.restored, after.drift.past) == (1_000.0, False, before.drift.past)
    assert registry.get_sample_value("smoke_camera_last_frame_timestamp_seconds", {"camera": "calm"}) == 1_000.0
    next_frame = ({"brightness": 0.6, "epistemic": 1e-5}, {}, 3600.0 * 24 * 13)
    told = after.drift.take(*next_frame)
    assert told == before.drift.take(*next_frame)
    assert told["brightness"] > told["epistemic"] == 0.0


def test_a_state_file_of_before_0_8_says_of_a_camera_when_its_newest_frame_was_taken(tmp_path):
    (tmp_path / "state.json").write_text(entry("newest_s", 77.0))
    assert snapshot.read_snapshot(tmp_path / "state.json")["a"].last_frame_s == 77.0


def test_a_state_file_of_before_novelty_was_counted_is_gone_on_from(tmp_path):
    file = tmp_path / "state.json"
    before = Camera("calm", "calm", last_frame_s=1_000.0)
    before.drift.take({"brightness": 0.4}, {}, 0.0)
    snapshot.write_snapshot(snapshot.snapshot_of([before], 2_000.0), file)
    known = Cameras(8, CameraFile(None, AlarmPolicy()), CameraMetrics(CollectorRegistry()))
    snapshot.restore(known, file)
    drift = known.get("calm").drift
    drift.take({"brightness": 0.4, "novelty": 1.0}, {}, 60.0)
    assert (sum(drift.past["brightness"].today), sum(drift.past["novelty"].today)) == (2.0, 1.0)


def test_a_camera_with_nothing_to_remember_is_left_out():
    assert snapshot.snapshot_of([Camera("a", "a")], 0.0)["cameras"] == {}
    assert math.isinf(CameraAlarm().ended_s)


@pytest.mark.parametrize(("hours", "kept"), [(23, True), (25, False)])
def test_an_alarm_that_is_over_is_kept_for_as_long_as_it_may_cool_down(hours, kept):
    over = Camera("ridge", "ridge", {"": CameraView(CameraAlarm(ended_s=1_000.0))})
    assert ("ridge" in snapshot.snapshot_of([over], 1_000.0 + 3600.0 * hours)["cameras"]) is kept


def test_no_file_is_no_memory(tmp_path):
    assert snapshot.read_snapshot(tmp_path / "state.json") == {}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"schema": 2, "cameras": {}}',
        '{"schema": 1, "cameras": {"a b": {}}}',
        '{"schema": 1, "cameras": {"a": {"state": "mint"}}}',
        "[" * 100_000,
        '{"schema": 1, "cameras": ' + '{"a":' * 100_000,
        entry("since_s", math.nan),
        entry("places", [[0, 0, math.inf, 1]]),
        entry("views", {"east": {}}),
        entry("frames", "3"),
        entry("frames", -1),
        entry("score", -1.0),
        entry("since_s", 1e300),
        entry("last_frame_s", -1e12),
        entry("places", [[1, 2]]),
        entry("past", {"brightness": {"day": 3, "today": [math.nan] * 20}}),
        entry("past", {"brightness": {"day": 3, "today": [-1.0] * 20}}),
    ],
)
def test_a_broken_file_is_set_aside_and_said(tmp_path, caplog, text):
    file = tmp_path / "state.json"
    file.write_text(text)
    assert snapshot.read_snapshot(file) == {}
    (aside,) = tmp_path.iterdir()
    assert aside.name.startswith("state.json.broken-")
    assert aside.read_text() == text
    assert "state file is broken" in caplog.text
    assert caplog.records[-1].error.startswith(f"{file}: ")
    assert "[[[[" not in caplog.records[-1].error


def post(client, frame, minute):
    query = f"camera_id=ridge&captured_at=2026-05-01T12:{minute:02}:00Z&outputs="
    return client.post(f"/segment?{query}", content=file_of(frame)).json()["alarm"]


def test_an_alarm_outlives_a_restart_and_is_marked_until_frames_let_it_go(open_client, model, tmp_path):
    file = tmp_path / "state.json"
    settings = Settings.load(state_file=file)
    with TestClient(create_app(settings, lambda: LoadedModel(model, lambda: model))) as before:
        alarm = [post(before, plume(), minute) for minute in range(3)][-1]
    assert json.loads(file.read_text())["cameras"]["ridge"]["state"] == "alarm"
    after = open_client(state_file=file)
    restored = after.get("/cameras/ridge").json()["alarm"]
    assert (restored["state"], restored["since"], restored["restored"]) == ("alarm", alarm["since"], True)
    assert 'smoke_camera_alarm_state{camera="ridge",state="alarm"} 1.0' in after.get("/metrics").text
    states = [post(after, plain(0, 0, 0), minute)["state"] for minute in range(3, 8)]
    assert states == ["alarm"] * 4 + ["clear"]
    assert post(after, plain(0, 0, 0), 9)["restored"] is False


def test_a_broken_state_file_does_not_stop_the_start(open_client, tmp_path):
    (tmp_path / "state.json").write_text("{")
    client = open_client(state_file=tmp_path / "state.json")
    assert client.get("/cameras").json()["cameras"] == []
