"""Pictures on disk by their names, in the order in which a person counts."""

import re
from pathlib import Path
from typing import Final

_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp"})
_LEFT_BEHIND: Final = frozenset({"__MACOSX", "lost+found"})
_NUMBER: Final = re.compile(r"(\d+)")


def is_picture(path: Path) -> bool:
    """By its name: not what file browsers leave behind, such as `Thumbs.db`, `.DS_Store`, `._a.jpg` and what lies in `__MACOSX`."""
    return path.suffix.lower() in _SUFFIXES and may_hold_pictures(path)


def may_hold_pictures(folder: Path) -> bool:
    """Whether no part of a path is hidden, or left behind by a file browser or a file system."""
    return not any(part.startswith(".") or part in _LEFT_BEHIND for part in folder.parts)


def natural(path: Path) -> list[tuple[list[str | int], str]]:
    """A key to sort by: 2 comes before 10, in the names of folders as well."""
    return [([int(word) if word.isdecimal() else word for word in _NUMBER.split(part)], part) for part in path.parts]
