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


def collect(inputs: Iterable[Path], out: Path | None) -> Found:
    """Pictures named or found in named folders (and below), each once; what lies in `out`, where that is below one, is left alone.

    A folder that cannot be looked into stands among them, so that it is said to fail as a picture is.
    """
    found: dict[Path, None] = {}
    closed: dict[Path, None] = {}
    others: set[Path] = set()
    written = _real(out) if out else None
    for path in inputs:
        if not path.is_dir():
            found[path] = None
            continue
        left_alone = None if written and _real(path).is_relative_to(written) else written
        files, unseen = _below(path, left_alone)
        others |= {file for file in files if not is_picture(file.relative_to(path))}
        found |= dict.fromkeys(file for file in files if is_picture(file.relative_to(path)))
        closed |= dict.fromkeys(unseen)
    return Found([*found, *closed], len(others - found.keys()))


def _below(folder: Path, left_alone: Path | None) -> tuple[list[Path], list[Path]]:
    """Files in a folder and below it, links to folders included; and the folders among those that cannot be looked into."""
    files: list[Path] = []
    closed: list[Path] = []
    seen = {left_alone}

    def note(error: OSError) -> None:
        path = Path(error.filename)
        if may_hold_pictures(path.relative_to(folder)):
            closed.append(path)

    for base, folders, names in os.walk(folder, onerror=note, followlinks=True):
        place = _real(Path(base))
        if place in seen:  # by a link, which may lead in a circle
            folders.clear()
            continue
        seen.add(place)
        folders.sort()
        files += (file for name in names if may_be_file(file := Path(base, name)))
    return sorted(files, key=natural), closed


def may_be_file(path: Path) -> bool:
    """Whether it is one, as far as one can see: the rest, as of a link that leads nowhere, is said when it is read."""
    try:
        return path.is_file() or not path.exists()
    except OSError:
        return True


def _real(path: Path) -> Path:
    """Where it is, links followed; of a link that leads to itself as far as that goes."""
    return Path(os.path.realpath(path))


def readable(path: Path | str) -> str:
    """A file's name as text, whatever bytes it is made of: those that are no UTF-8 are written by their numbers."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
