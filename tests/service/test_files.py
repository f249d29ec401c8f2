"""No file that somebody put there makes the service wait: not a pipe, not a device, not one of any size."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from service.api.auth import ApiKeys
from service.cameras.evidence import AlarmPolicy
from service.cameras.rules import CameraFile
from service.errors import SettingsInvalid
from service.files import append, read_file, read_secret, read_text, write_whole
from service.server.named_files import check_files
from service.settings import Settings
from tests.service.api.test_auth import entry


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def test_a_mark_at_the_beginning_is_no_part_of_the_text(tmp_path):
    (tmp_path / "file").write_bytes(b"\xef\xbb\xbfa = 1")
    assert read_text(tmp_path / "file") == "a = 1"


@pytest.mark.parametrize("written", [b"geheim", b"geheim\n", b"\xef\xbb\xbfgeheim\r\n"])
def test_a_secret_is_what_a_person_typed(tmp_path, written):
    (tmp_path / "secret").write_bytes(written)
    assert read_secret(tmp_path / "secret") == "geheim"


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null"])
def test_a_device_is_no_file(device):
    with pytest.raises(OSError, match="found a pipe or a device, expected a file"):
        read_file(Path(device))


def test_a_file_of_any_size_is_not_read_as_a_whole(tmp_path):
    (tmp_path / "file").write_bytes(bytes(11))
    assert read_file(tmp_path / "file", 11) == bytes(11)
    with pytest.raises(OSError, match="more than 10 bytes"):
        read_file(tmp_path / "file", 10)


def test_a_cameras_file_that_becomes_a_pipe_keeps_the_rules_and_is_told(tmp_path, pipe):
    path = tmp_path / "cameras.toml"
    path.write_text("[default]\nhits = 2\n")
    rules = CameraFile(path, AlarmPolicy())
    pipe.replace(path)
    rules.refresh()
    assert "found a pipe or a device" in (rules.error or "")
    assert rules.rules.of("ridge").policy.hits == 2


def test_keys_that_become_a_pipe_are_refused_and_stay_as_they_were(tmp_path, pipe):
    path = tmp_path / "keys.toml"
    path.write_text(entry("one", "a"))
    keys = ApiKeys.read(path)
    with pytest.raises(SettingsInvalid, match="found a pipe or a device"):
        keys.reload(pipe)


def test_a_pipe_that_nobody_reads_takes_no_feedback(pipe):
    with pytest.raises(OSError, match="No such device"):
        append(b"line\n", pipe)


def test_a_pipe_in_the_way_of_a_file_is_told_and_gone(tmp_path, pipe):
    path = tmp_path / "state.json"
    path.write_text("old")
    with pytest.raises(OSError, match="No such device"):
        write_whole(b"new", path, pipe)
    assert path.read_text() == "old"
    write_whole(b"new", path, pipe)
    assert path.read_text() == "new"


@pytest.mark.parametrize("name", ["state_file", "feedback_file"])
def test_a_pipe_is_found_out_at_the_start(pipe, name):
    with pytest.raises(SettingsInvalid, match=f"SMOKE_{name.upper()}: found .*pipe"):
        check_files(Settings(**{name: pipe}))


def test_what_does_not_fit_on_the_disk_leaves_no_part_of_a_line(tmp_path, monkeypatch):
    path = tmp_path / "feedback.jsonl"
    append(b"first\n", path)
    monkeypatch.setattr("service.files.os.fdopen", _half_full(os.fdopen))
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        append(b"second\n", path)
    monkeypatch.undo()
    append(b"third\n", path)
    assert path.read_bytes() == b"first\nthird\n"


def _half_full(fdopen: Callable) -> Callable:
    """A disk on which half of what is written finds room."""

    def opened(*arguments: object, **named: object):
        stream = fdopen(*arguments, **named)

        class HalfFull:
            fileno = stream.fileno

            def __enter__(self):
                return self

            def __exit__(self, *raised: object) -> None:
                stream.close()

            def write(self, data: bytes) -> int:
                return stream.write(data[: len(data) // 2])

        return HalfFull()

    return opened
