"""Standard output that nobody reads to its end, or that cannot be written."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from service.__main__ import main

COMMANDS = (["models", "list"], ["models", "show", "--json"], ["completion", "bash"], ["--help"])


def told(arguments: Sequence[str], stdout: int, *, buffered: bool) -> tuple[int, bytes]:
    """Exit code and standard error of a command with that standard output."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    if not buffered:
        environment["PYTHONUNBUFFERED"] = "1"
    command = [sys.executable, "-m", "service", *arguments]
    ended = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, env=environment, check=False)
    return ended.returncode, ended.stderr


@pytest.fixture
def unread() -> Iterator[int]:
    """The writing end of a pipe whose reader has left."""
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_reader_who_has_left_is_no_error(unread, arguments, buffered):
    assert told(arguments, unread, buffered=buffered) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_an_output_that_cannot_be_written_is_one_line():
    with Path("/dev/full").open("wb") as full:
        code, said = told(["models", "list"], full.fileno(), buffered=True)
    assert (code, said) == (1, b"smoke-bvm: [Errno 28] No space left on device\n")


def test_a_replay_whose_reader_has_left_is_no_error_and_keeps_the_numbers(unread, release, recording, tmp_path):
    arguments = ["replay", str(recording), "--interval", "60", "--model-dir", str(release)]
    code, said = told([*arguments, "--out", str(tmp_path / "numbers.json")], unread, buffered=True)
    assert (code, b"Broken" in said) == (0, False)
    assert (tmp_path / "numbers.json").stat().st_size


def test_the_bar_of_a_replay_stands_on_standard_error(release, recording, capfd):
    assert main(["replay", str(recording), "--interval", "60", "--model-dir", str(release)]) == 0
    out, err = capfd.readouterr()
    assert ("watching" in out, "watching" in err) == (False, True)
