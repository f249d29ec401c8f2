"""Files that a command line means: in the order in which a person counts, and under which name each is answered."""

import os
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class SegmentTask:
    """A picture or video, the stem of the files written for it, and the folder below `--out` for them."""

    source: Path
    stem: str
    folder: Path = Path()


def name_tasks(pictures: Iterable[Path], mirrored: Sequence[Path] = ()) -> list[SegmentTask]:
    """Give each file its own stem: the second `plume` of a folder becomes `plume-2`, so that nothing is overwritten.

    Args:
        pictures: In order.
        mirrored: Folders whose trees are made anew below `--out`; what is in none of them goes to the top.
    """
    placed = [(_place(picture, mirrored), picture) for picture in pictures]
    taken = {(folder, picture.stem) for folder, picture in placed}
    used: set[tuple[Path, str]] = set()
    tasks = []
    for folder, picture in placed:
        stem = picture.stem if (folder, picture.stem) not in used else _free_stem(folder, picture.stem, taken)
        taken.add((folder, stem))
        used.add((folder, stem))
        tasks.append(SegmentTask(picture, stem, folder))
    return tasks


def _place(picture: Path, mirrored: Iterable[Path]) -> Path:
    inputs = [root for root in mirrored if root != picture and picture.is_relative_to(root)]
    return picture.parent.relative_to(inputs[0]) if inputs else Path()


def _free_stem(folder: Path, stem: str, taken: Container[tuple[Path, str]]) -> str:
    number = 2
    while (folder, f"{stem}-{number}") in taken:
        number += 1
    return f"{stem}-{number}"
