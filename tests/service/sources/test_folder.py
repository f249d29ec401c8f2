"""A folder that grows: the newest picture, whole."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from service.sources.readers.folder import read_folder
from service.sources.readers.pace import ReadingFailed
from service.sources.spec import CameraFrame
from tests.pictures import file_of, noisy
from tests.service.sources.specs import spec_of

JPEG, PNG, WEBP = (file_of(noisy(1), kind) for kind in ("JPEG", "PNG", "WEBP"))


@pytest.fixture
def put(tmp_path: Path) -> Callable[..., Path]:
    """Write a file; `age_s` ago, if it says so."""

    def write(name: str, body: bytes, age_s: float = 0.0) -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(body)
        then = time.time() - age_s
        os.utime(path, (then, then))
        return path

    return write


def frames(folder: Path, **changes: Any) -> Iterator[CameraFrame | None]:
    return read_folder(spec_of("folder", folder, **changes))


def test_the_newest_picture_is_read_with_the_time_at_which_it_was_written(tmp_path, put):
    put("old.jpg", JPEG, age_s=100)
    newest = put("day/new.png", PNG, age_s=5)
    frame = next(frames(tmp_path))
    assert frame is not None
    assert frame.body == PNG
    assert frame.captured_s == pytest.approx(newest.stat().st_mtime, abs=1e-3)


def test_each_picture_is_read_once_and_an_older_one_that_comes_late_is_not(tmp_path, put):
    put("1.jpg", JPEG, age_s=60)
    found = frames(tmp_path)
    assert next(found).body == JPEG
    put("0.jpg", WEBP, age_s=90)
    assert next(found) is None
    put("2.webp", WEBP, age_s=30)
    assert next(found).body == WEBP


def test_a_folder_that_may_not_be_looked_into_is_a_failure_unless_there_is_a_picture_beside_it(
    tmp_path, put, monkeypatch
):
    put("day/new.png", PNG, age_s=5)
    scandir = os.scandir

    def forbidding(path):
        if Path(path).name == "day":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", forbidding)
    with pytest.raises(ReadingFailed, match=r"found a folder that cannot be looked into: .*/day: Permission denied"):
        next(frames(tmp_path))
    put("beside.jpg", JPEG, age_s=60)
    found = frames(tmp_path)
    assert next(found).body == JPEG
    assert next(found) is None


def test_a_file_that_is_written_over_is_read_again(tmp_path, put):
    put("latest.jpg", JPEG, age_s=20)
    found = frames(tmp_path)
    next(found)
    other = file_of(noisy(2), "JPEG")
    put("latest.jpg", other)
    assert next(found).body == other


@pytest.mark.parametrize(("name", "body"), [("a.jpg", JPEG), ("a.png", PNG), ("a.webp", WEBP)])
def test_half_a_file_is_not_read_until_it_is_whole(tmp_path, put, name, body):
    found = frames(tmp_path)
    for share in (0, 1, len(body) // 2, len(body) - 12):
        put(name, body[:share])
        assert next(found) is None
    put(name, body)
    assert next(found).body == body


def test_while_the_newest_is_being_written_the_one_before_it_is_read(tmp_path, put):
    put("1.jpg", JPEG, age_s=5)
    put("2.jpg", JPEG[: len(JPEG) // 2])
    assert next(frames(tmp_path)).body == JPEG


def test_a_file_that_stays_without_an_end_is_read_as_it_is(tmp_path, put):
    half = JPEG[: len(JPEG) // 2]
    put("cut.jpg", half, age_s=11)
    assert next(frames(tmp_path)).body == half


def test_what_is_no_picture_by_its_name_is_left_alone(tmp_path, put):
    for name in ("a.txt", "a.jpg.part", ".a.jpg", "Thumbs.db"):
        put(name, JPEG)
    assert next(frames(tmp_path)) is None


def test_a_picture_from_the_future_does_not_hold_up_those_that_come_after_it(tmp_path, put):
    put("1.jpg", JPEG, age_s=-86_400)
    found = frames(tmp_path)
    frame = next(found)
    assert frame.body == JPEG
    assert frame.captured_s <= time.time()
    put("2.webp", WEBP)
    assert next(found).body == WEBP


def test_a_pipe_is_not_waited_for(tmp_path, put):
    put("1.jpg", JPEG, age_s=5)
    os.mkfifo(tmp_path / "2.jpg")
    assert next(frames(tmp_path)).body == JPEG


def test_what_was_taken_before_a_restart_is_not_taken_again(tmp_path, put):
    path = put("1.jpg", JPEG, age_s=5)
    assert next(frames(tmp_path, after_s=path.stat().st_mtime_ns / 1e9)) is None
    put("2.jpg", JPEG, age_s=4)
    assert next(frames(tmp_path, after_s=path.stat().st_mtime_ns / 1e9)) is not None


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(ReadingFailed, match=r"found no folder .*gone, expected one"):
        next(frames(tmp_path / "gone"))
