"""Pictures on disk: those that a command line names or that lie in a folder, in the order in which a person counts."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from service.sources.picture_files import is_picture, natural


class Found(NamedTuple):
    """Pictures in order, and how many files in the folders are none by their names."""

    pictures: list[Path]
    others: int


def collect(inputs: Iterable[Path], out: Path) -> Found:
    """Pictures named or found in named folders (and below), each once; what lies in `out` is left alone."""
    found: dict[Path, None] = {}
    others: set[Path] = set()
    inside = out.resolve()
    for path in inputs:
        below = sorted(path.rglob("*"), key=natural) if path.is_dir() else []
        files = [file for file in below if file.is_file() and not file.resolve().is_relative_to(inside)]
        others |= {file for file in files if not is_picture(file.relative_to(path))}
        found |= dict.fromkeys(file for file in files if is_picture(file.relative_to(path)))
        if not path.is_dir():
            found[path] = None
    return Found(list(found), len(others - found.keys()))


def readable(path: Path | str) -> str:
    """A file's name as text, whatever bytes it is made of: those that are no UTF-8 are written by their numbers."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
