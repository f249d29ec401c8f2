import re
import time
from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry

from service.api.auth import digest
from service.api.metrics import NotificationMetrics
from tests.pictures import file_of, plain, plume

METRICS: Final = {"Authorization": "Bearer scraper"}


def test_a_channel_counts_from_zero_so_that_its_first_lost_message_has_a_rate():
    registry = CollectorRegistry()
    NotificationMetrics(registry).sends("webhook", lambda: 0.0)
    for result in ("delivered", "failed", "dropped"):
        assert registry.get_sample_value("smoke_notifications_total", {"channel": "webhook", "result": result}) == 0.0


def value(client, series: str) -> float | None:
    """A series of /metrics, or None where it is not there."""
    found = re.search(rf"^{re.escape(series)} (\S+)$", client.get("/metrics", headers=METRICS).text, re.MULTILINE)
    return float(found[1]) if found else None


def until(look: Callable[[], object]) -> None:
    for _ in range(200):
        if look():
            return
        time.sleep(0.05)
    raise AssertionError("waited in vain")


def test_refused_keys_are_counted_on_every_route(open_client, tmp_path):
    entries = [("scraper", "metrics"), ("gateway", "infer")]
    text = "".join(f'[[key]]\nname = "{n}"\nsha256 = "{digest(n)}"\nscopes = ["{scope}"]\n' for n, scope in entries)
    (tmp_path / "keys.toml").write_text(text)
    client = open_client(api_keys_file=tmp_path / "keys.toml")
    assert value(client, 'smoke_keys_refused_total{reason="key_missing"}') == 0
    assert [client.get(path).status_code for path in ("/cameras", "/metrics", "/model")] == [401] * 3
    assert client.get("/cameras", headers=METRICS).status_code == 403
    assert client.get("/cameras", headers={"X-API-Key": "gateway"}).status_code == 200
    assert value(client, 'smoke_keys_refused_total{reason="key_missing"}') == 3
    assert value(client, 'smoke_keys_refused_total{reason="key_insufficient"}') == 1


def test_a_frame_of_a_camera_that_is_refused_is_counted_for_it_once_the_camera_is_known(open_client):
    client = open_client()
    broken = b"\xff\xd8\xff damaged"
    client.post("/segment?camera_id=ridge", content=broken)
    client.post("/segment?camera_id=ridge&outputs=", content=file_of(plain(0, 0, 0)))
    client.post("/segment?camera_id=ridge", content=broken)
    client.post("/segment", content=broken)
    assert value(client, 'smoke_camera_refusals_total{camera="other",reason="frame_broken"}') == 1
    assert value(client, 'smoke_camera_refusals_total{camera="ridge",reason="frame_broken"}') == 1
    assert value(client, 'smoke_camera_frames_total{camera="ridge"}') == 1


def test_a_cameras_file_that_breaks_shows_and_so_does_its_repair(open_client, tmp_path):
    path = tmp_path / "cameras.toml"
    path.write_text("[default]\nhits = 2\n")
    client = open_client(cameras_file=path)
    ok, read = 'smoke_file_ok{file="cameras"}', 'smoke_file_timestamp_seconds{file="cameras"}'
    first_s = value(client, read)
    assert (value(client, ok), abs(time.time() - first_s) < 60) == (1, True)
    path.write_text("[default]\nhits = 'two'\n")
    until(lambda: value(client, ok) == 0)
    assert value(client, read) == first_s
    path.write_text("[default]\nhits = 1\n")
    until(lambda: value(client, ok) == 1)
    assert value(client, read) > first_s


def test_a_state_file_that_cannot_be_written_shows_and_so_does_its_repair(open_client, tmp_path):
    folder = tmp_path / "state"
    folder.mkdir()
    client = open_client(state_file=folder / "alarms.json")
    folder.rename(tmp_path / "away")
    ok = 'smoke_file_ok{file="state"}'
    client.post("/segment?camera_id=ridge&outputs=", content=file_of(plume()))
    until(lambda: value(client, ok) == 0)
    assert value(client, 'smoke_file_timestamp_seconds{file="state"}') is None
    folder.mkdir()
    until(lambda: value(client, ok) == 1)
    assert abs(time.time() - value(client, 'smoke_file_timestamp_seconds{file="state"}')) < 60


def test_without_such_files_there_is_nothing_to_alert_on(open_client):
    assert "smoke_file_ok{" not in open_client().get("/metrics").text
