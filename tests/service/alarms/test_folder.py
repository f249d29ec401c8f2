"""Kept alarms on disk: whole or not there, whatever happens in between."""

import os
from collections.abc import Iterator
from errno import ENOSPC
from pathlib import Path

import pytest

from service.alarms.folder import AlarmFolder
from service.alarms.record import AlarmRecord, KeptFrame
from service.cameras.alarm import new_alarm_id

FILES = {"frame.jpg": b"frame", "overlay.jpg": b"overlay", "reply.json": b"{}"}


def record(*numbers: int) -> AlarmRecord:
    kept = [
        KeptFrame(number=n, request_id=f"r{n}", captured_s=None, arrived_s=60, score=1, area_fraction=n, size_bytes=14)
        for n in numbers
    ]
    one = AlarmRecord(id=new_alarm_id(60.0), camera_id="ridge", started_s=60.0)
    for frame in kept:
        one = one.with_frame(frame)
    return one


def names(folder: AlarmFolder, alarm_id: str) -> set[str]:
    return {file.name for file in (folder.path / alarm_id).iterdir()}


@pytest.fixture
def folder(tmp_path: Path) -> AlarmFolder:
    return AlarmFolder(tmp_path / "below" / "alarms")


def test_what_was_written_is_read_again(folder):
    one = record(0)
    folder.write_frame(one.id, 0, FILES)
    folder.write_record(one)
    assert AlarmFolder(folder.path).read() == [one]
    assert folder.file(one.id, 0, "overlay.jpg") == b"overlay"
    assert folder.file(one.id, 1, "overlay.jpg") is None


def test_frames_that_an_alarm_no_longer_names_go(folder):
    one = record(0, 1, 2)
    for number in range(3):
        folder.write_frame(one.id, number, FILES)
    folder.write_record(one)  # 0 is the first, 2 the strongest and the latest
    assert names(folder, one.id) == {"alarm.json"} | {f"{number}.{name}" for number in (0, 2) for name in FILES}


def test_what_a_crash_left_half_written_is_gone_after_the_next_start(folder):
    begun, written = record(0), record(0)
    folder.write_frame(begun.id, 0, FILES)  # and no alarm.json
    folder.write_frame(written.id, 0, FILES)
    folder.write_record(written)
    folder.write_frame(written.id, 1, FILES)  # and no alarm.json that names it
    (folder.path / written.id / ".alarm.json.new").write_bytes(b"{")
    found = AlarmFolder(folder.path)
    assert found.read() == [written]
    assert "1.frame.jpg" in names(folder, written.id)  # whoever reads may not be the one who writes
    found.sweep([written])
    assert [path.name for path in folder.path.iterdir()] == [written.id]
    assert names(folder, written.id) == {"alarm.json", *(f"0.{name}" for name in FILES)}


@pytest.mark.parametrize("text", ["{", "[]", '{"id": "../../etc"}'])
def test_an_alarm_that_cannot_be_read_is_left_alone_and_told(folder, caplog, text):
    one, whole = record(0), record(0)
    for told in (one, whole):
        folder.write_frame(told.id, 0, FILES)
        folder.write_record(told)
    (folder.path / one.id / "alarm.json").write_text(text)
    found = AlarmFolder(folder.path)
    assert found.read() == [whole]
    found.sweep([whole])
    assert "a kept alarm cannot be read" in caplog.text
    assert "0.frame.jpg" in names(folder, one.id)


def test_what_else_lies_in_the_folder_is_left_alone(folder):
    (folder.path / "notes.txt").write_text("mine")
    (folder.path / "photographs").mkdir()
    assert folder.read() == []
    folder.sweep([])
    assert {path.name for path in folder.path.iterdir()} == {"notes.txt", "photographs"}


@pytest.fixture
def full(monkeypatch) -> Iterator[None]:
    """From the second file on the disk is full."""
    written = iter(range(99))
    fsync = os.fsync

    def fail(descriptor: int) -> None:
        if next(written) > 0:
            raise OSError(ENOSPC, os.strerror(ENOSPC))
        fsync(descriptor)

    monkeypatch.setattr("service.alarms.folder.os.fsync", fail)


@pytest.mark.usefixtures("full")
def test_of_a_frame_for_which_there_is_no_room_nothing_is_left(folder):
    one = record(0)
    with pytest.raises(OSError, match="No space left"):
        folder.write_frame(one.id, 0, FILES)
    assert names(folder, one.id) == set()


def test_what_is_removed_is_gone_and_twice_is_no_error(folder):
    one = record(0)
    folder.write_frame(one.id, 0, FILES)
    folder.remove(one.id)
    folder.remove(one.id)
    assert list(folder.path.iterdir()) == []
