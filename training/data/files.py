"""Pictures by their names: what lies in a folder beside them is left alone, and can be counted."""

from pathlib import Path

_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})


def pictures_of(folder: Path) -> list[Path]:
    """Its pictures, by name."""
    return [path for path in sorted(folder.glob("*")) if _is_picture(path)]


def others_of(folder: Path) -> list[Path]:
    """What else lies there."""
    return [path for path in sorted(folder.glob("*")) if not _is_picture(path)]


def _is_picture(path: Path) -> bool:
    """Not what file browsers leave behind, such as `Thumbs.db`, `.DS_Store` and `._a.jpg`."""
    return path.suffix.lower() in _SUFFIXES and not path.name.startswith(".")
