"""Folders of pictures below a root, the split that a path names, and where what belongs to a picture folder lies."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from training.data.files import pictures_of
from training.data.frames import DataError

PICTURES = frozenset({"img", "imgs", "image", "images", "jpegimages", "frames", "rgb"})
MASKS = ("gt", "mask", "masks", "annotations", "segmentationclass", "label", "labels")
"""Names of folders of masks, lower case, those that say it most clearly first."""
_SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "val",
    "testing": "val",
}
_ORIENTATION, _ON_ITS_SIDE = 274, (5, 6, 7, 8)


def picture_folders(root: Path) -> Iterator[Path]:
    """Every folder below the root, itself too, that holds pictures and is none of masks; hidden ones and links are left alone."""
    for name, folders, _ in os.walk(root):
        folders[:] = sorted(folder for folder in folders if not folder.startswith("."))
        folder = Path(name)
        if not _holds_masks(folder, root) and pictures_of(folder):
            yield folder


def beside(folder: Path, root: Path, names: tuple[str, ...]) -> Path | None:
    """The folder of one of these names that stands for a picture folder: `a/img/b` and `a/gt/b`, or `a/b` and `a/gt`, or `a/b/gt`."""
    parts = folder.relative_to(root).parts
    for name in names:
        places = [
            root.joinpath(*parts[:k], name, *parts[k + 1 :])
            for k in reversed(range(len(parts)))
            if parts[k].lower() in PICTURES
        ]
        for place in (*places, folder / name):
            if found := _any_case(place):
                return found
    return None


def split_of(path: Path, root: Path) -> str:
    """`val` where a folder on the way says so (val, valid, validation, test, testing), else `train`."""
    words = [word for part in path.relative_to(root).parts[:-1] for word in re.split(r"[^a-z]+", part.lower())]
    return next((_SPLITS[word] for word in words if word in _SPLITS), "train")


def upright_size(path: Path) -> tuple[int, int]:
    """Width and height by the header, turned as EXIF says. Raises DataError."""
    try:
        with Image.open(path) as picture:
            turned = picture.getexif().get(_ORIENTATION) in _ON_ITS_SIDE
            return (picture.height, picture.width) if turned else picture.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: not found, not a picture, or a damaged one: {error}") from error


def _holds_masks(folder: Path, root: Path) -> bool:
    return any(part.lower() in MASKS for part in folder.relative_to(root).parts)


def _any_case(path: Path) -> Path | None:
    """The folder of that name, whatever the case of its last part."""
    if path.is_dir():
        return path
    parent = path.parent
    names = parent.iterdir() if parent.is_dir() else ()
    return next((found for found in names if found.is_dir() and found.name.lower() == path.name.lower()), None)
