"""A refusal in one line, and a disk that is full."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from training.__main__ import main

FULL = "[Errno 28] No space left on device"
"""What a person reads of it."""


def refusal(capsys, *arguments: str | Path) -> str:
    """The one line on stderr of a call that is refused."""
    assert main([str(argument) for argument in arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"smoke-bvm-train {arguments[0]}: ")
    return line


@pytest.fixture
def full_from(monkeypatch) -> Callable[[str], None]:
    """A disk that takes half of the files of a name, as one that is full does: `full_from("report.json")`."""
    names: list[str] = []
    write = Path.write_bytes

    def half(path: Path, content: bytes) -> int:
        if path.name.removesuffix(".unfinished") not in names:
            return write(path, content)
        write(path, content[: len(content) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", half)
    return names.append
