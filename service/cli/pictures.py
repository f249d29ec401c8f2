"""Pictures on disk: those that a command line names or that lie in a folder, in the order in which a person counts."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from service.sources.picture_files import is_picture, may_hold_pictures, natural


class Found(NamedTuple):
    """Pictures in order, folders that cannot be looked into after them, and how many files in the folders are none by their names."""

    pictures: list[Path]
    others: int


def collect(inputs: Iterable[Path], out: Path) -> Found:
    """Pictures named or found in named folders (and below), each once; what lies in `out` is left alone.

    A folder that cannot be looked into stands among them, so that it is said to fail as a picture is.
    """
    found: dict[Path, None] = {}
    closed: list[Path] = []
    others: set[Path] = set()
    inside = out.resolve()
    for path in inputs:
        below = _below(path, closed) if path.is_dir() else []
        files = [file for file in below if _is_file(file) and not file.resolve().is_relative_to(inside)]
        others |= {file for file in files if not is_picture(file.relative_to(path))}
        found |= dict.fromkeys(file for file in files if is_picture(file.relative_to(path)))
        if not path.is_dir():
            found[path] = None
    found |= dict.fromkeys(folder for folder in closed if not folder.resolve().is_relative_to(inside))
    return Found(list(found), len(others - found.keys()))


def _below(folder: Path, closed: list[Path]) -> list[Path]:
    """What lies in a folder and below it; those of the folders that cannot be looked into are added to `closed`."""

    def note(error: OSError) -> None:
        path = Path(error.filename)
        if may_hold_pictures(path.relative_to(folder)):
            closed.append(path)

    return sorted((Path(base, name) for base, _, names in os.walk(folder, onerror=note) for name in names), key=natural)


def _is_file(path: Path) -> bool:
    """Whether it is one, as far as one can see: the rest is said when it is read."""
    try:
        return path.is_file()
    except OSError:
        return True


def readable(path: Path | str) -> str:
    """A file's name as text, whatever bytes it is made of: those that are no UTF-8 are written by their numbers."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
