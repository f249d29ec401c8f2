"""A disk that is full or slow costs the picture, never the alarm, and keeps nobody waiting."""

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from service.alarms import archive
from service.alarms.folder import AlarmFolder
from service.alarms.index import AlarmIndex, AlarmLimits
from service.alarms.pictures import AlarmFrame
from service.cameras.alarm import AlarmState, CameraAlarm, new_alarm_id
from service.cameras.camera import Camera, CameraView
from service.cameras.clock import Stamp
from service.runtime.supervision import Supervisor
from tests.pictures import file_of, noisy

MISSING = "No space left on device"


def smoke(seed: int) -> bytes:
    """A frame of 300 KiB on which a band is smoke."""
    frame = noisy(seed, 400, 300)
    frame[:, :, 0] //= 4
    frame[:, 100:200, 0] = 230
    return file_of(frame)


def post(client, seed: int, camera_id: str = "ridge") -> dict:
    return client.post(f"/segment?camera_id={camera_id}&outputs=", content=smoke(seed)).json()


def result(client, name: str) -> float:
    sample = f'smoke_alarm_pictures_total{{result="{name}"}} '
    (line,) = [line for line in client.get("/metrics").text.splitlines() if line.startswith(sample)]
    return float(line.removeprefix(sample))


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch) -> Iterator[Path]:
    """A folder on a disk of 1 MiB: a real one for root, else one whose writer is told so."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0:
        yield folder
        subprocess.run(["umount", str(folder)], check=True)
        return
    fsync = os.fsync

    def count(descriptor: int) -> None:
        if sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) > 2**20:
            raise OSError(28, MISSING)
        fsync(descriptor)

    monkeypatch.setattr("service.alarms.folder.os.fsync", count)
    yield folder


def test_a_full_disk_costs_the_picture_and_never_the_alarm(open_client, small_disk, monkeypatch, caplog):
    monkeypatch.setattr(archive, "_PAUSE_S", 0.0)
    (small_disk / "other").write_bytes(bytes(1_000_000))
    client = open_client(alarm_dir=small_disk / "alarms")
    alarm_id = [post(client, seed) for seed in range(3)][-1]["alarm"]["id"]
    answer = client.get(f"/alarms/{alarm_id}/frame.jpg")
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:smoke-bvm:problem:picture_unknown")
    listed = client.get(f"/alarms/{alarm_id}").json()
    assert (listed["state"], listed["frames"]) == ("active", {})
    assert (result(client, "kept"), result(client, "failed") > 0) == (0, True)
    assert any(MISSING in getattr(line, "error", "") for line in caplog.records)
    assert client.get("/health/ready").status_code == 200
    (small_disk / "other").unlink()
    assert post(client, 3)["alarm"]["id"] == alarm_id
    assert client.get(f"/alarms/{alarm_id}/frame.jpg").status_code == 200
    assert set(client.get(f"/alarms/{alarm_id}").json()["frames"]) == {"first", "strongest", "latest"}
    assert result(client, "kept") == 1


def test_alarms_that_last_stay_beyond_all_limits_and_get_no_further_pictures(open_client, tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "_PAUSE_S", 0.0)
    monkeypatch.setattr("service.server.components.AlarmLimits", lambda *_: AlarmLimits(alarms=1, size_bytes=1))
    client = open_client(alarm_dir=tmp_path)
    first = [post(client, seed, "a") for seed in range(3)][-1]["alarm"]["id"]
    assert client.get(f"/alarms/{first}/frame.jpg").status_code == 200  # and with it the folder is full
    second = [post(client, seed, "b") for seed in range(3)][-1]["alarm"]["id"]
    client.portal.call(client.app.state.app_state.alarms.reconcile)  # as each second
    listed = {one["id"]: set(one["frames"]) for one in client.get("/alarms").json()["alarms"]}
    assert listed == {first: {"first", "strongest", "latest"}, second: set()}
    assert result(client, "kept") == 1
    assert result(client, "dropped") >= 1


def test_a_frame_belongs_to_the_alarm_of_the_view_that_it_shows():
    """Its camera may have turned by the time that it is handed over."""
    alarms = {view: CameraAlarm(AlarmState.ALARM, 60.0, id=new_alarm_id(60.0)) for view in ("east", "west")}
    views = {view: CameraView(alarm, area_fraction=0.1) for view, alarm in alarms.items()}
    cameras = {"ridge": Camera("ridge", "ridge", views, showing="west")}
    kept = archive.AlarmArchive(AlarmIndex(AlarmLimits()), cameras, None, None, None, None, Supervisor())
    kept.take("ridge", AlarmFrame(b"", None, "r", Stamp(60.0, 60.0), "east", counted=True, reply=bytes))
    assert [(record.view, record.area_fraction) for record in kept.index] == [("east", 0.1)]


@pytest.fixture
def hanging(monkeypatch) -> threading.Event:
    """A disk that takes nothing until this is set."""
    freed, write = threading.Event(), AlarmFolder.write_frame

    def hang(*arguments: object) -> None:
        assert freed.wait(120)
        write(*arguments)

    monkeypatch.setattr(AlarmFolder, "write_frame", hang)
    return freed


def test_frames_are_answered_while_the_disk_hangs_and_of_each_alarm_one_waits(
    open_client, tmp_path, monkeypatch, hanging
):
    monkeypatch.setattr(archive, "_PAUSE_S", 0.0)
    monkeypatch.setattr(archive, "_PATIENCE_S", 0.1)
    client = open_client(alarm_dir=tmp_path)
    alarm_ids = {post(client, seed, camera_id)["alarm"]["id"] for seed in range(6) for camera_id in ("a", "b")} - {None}
    assert len(alarm_ids) == 2
    for alarm_id in alarm_ids:
        assert client.get(f"/alarms/{alarm_id}").json()["frames"] == {}
    hanging.set()
    monkeypatch.setattr(archive, "_PATIENCE_S", 60.0)
    for alarm_id in alarm_ids:
        assert client.get(f"/alarms/{alarm_id}/frame.jpg").status_code == 200
    assert result(client, "kept") == 2


def test_what_waits_is_bounded_in_bytes_and_what_finds_no_room_is_counted(open_client, tmp_path, monkeypatch, hanging):
    monkeypatch.setattr(archive, "_PENDING_BYTES_MAX", 500_000)
    client = open_client(alarm_dir=tmp_path)
    for camera_id in ("a", "b", "c"):
        for seed in range(3):
            post(client, seed, camera_id)
    assert result(client, "dropped") == 2
    hanging.set()
    pictures = [client.get(f"/alarms/{alarm['id']}/frame.jpg") for alarm in client.get("/alarms").json()["alarms"]]
    assert sorted(answer.status_code for answer in pictures) == [200, 404, 404]


def test_frames_of_an_alarm_are_kept_ten_seconds_apart(open_client, tmp_path, monkeypatch):
    client = open_client(alarm_dir=tmp_path)
    for seed in range(5):
        alarm_id = post(client, seed)["alarm"]["id"]
    assert client.get(f"/alarms/{alarm_id}/frame.jpg").status_code == 200
    assert result(client, "kept") == 1
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 10.5)
    post(client, 5)
    client.get(f"/alarms/{alarm_id}/frame.jpg")
    assert result(client, "kept") == 2


def test_bytes_on_disk_are_those_that_are_counted(open_client, tmp_path):
    client = open_client(alarm_dir=tmp_path)
    for seed in range(3):
        post(client, seed)
    (alarm,) = client.get("/alarms").json()["alarms"]
    client.get(f"/alarms/{alarm['id']}/frame.jpg")
    files = [file for file in (tmp_path / alarm["id"]).iterdir() if file.suffix != ".new" and file.name != "alarm.json"]
    sizes = {file.name.partition(".")[2]: file.stat().st_size for file in files}
    kept = client.app.state.app_state.alarms.index.get(alarm["id"])
    assert kept.size_bytes == sum(sizes.values())
    assert np.array(list(sizes.values())).min() > 0


@pytest.mark.parametrize("kind", ["file", "below a file"])
def test_a_folder_that_cannot_be_made_is_refused_at_the_start(open_client, tmp_path, kind):
    (tmp_path / "taken").write_text("")
    with pytest.raises(Exception, match=r"SMOKE_ALARM_DIR: found .*taken"):
        open_client(alarm_dir=tmp_path / ("taken" if kind == "file" else "taken/alarms"))
