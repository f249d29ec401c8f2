"""Folders of pictures below a root, the split that a path names, and where what belongs to a picture folder lies."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from PIL import Image

from training.data.files import DataError, by_stem, closed, expect_file, files_of, left_alone, pictures_of

PICTURES = frozenset({"img", "imgs", "image", "images", "jpegimages", "frames", "rgb"})
CLASSES = "classes.txt"
"""Names of the classes of YOLO, which labelImg writes beside the labels."""
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


def picture_folders(root: Path, onerror: Callable[[OSError], object] = closed) -> Iterator[Path]:
    """Every folder below the root, itself too, that holds pictures and is none of masks; hidden ones and links are left alone.

    `onerror` is told of each that cannot be looked into. Raises DataError if it is not given.
    """
    for name, folders, _ in os.walk(root, onerror=onerror):
        folders[:] = sorted(folder for folder in folders if not left_alone(folder))
        folder = Path(name)
        if not _holds_masks(folder, root) and pictures_of(folder):
            yield folder


def beside(folder: Path, root: Path, names: tuple[str, ...]) -> Path | None:
    """The folder of one of these names that stands for a picture folder: for `a/img/b` it is `a/gt/b`, and for any `a/b` `a/b/gt`.

    In the first case a folder on the way is called as one of PICTURES.
    """
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
    expect_file(path)
    try:
        with Image.open(path) as picture:
            turned = picture.getexif().get(_ORIENTATION) in _ON_ITS_SIDE
            return (picture.height, picture.width) if turned else picture.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: not found, not a picture, or a damaged one: {error}") from error


def expect_size(image: Path, size: tuple[int, int], said: tuple[int | None, int | None], file: Path) -> None:
    """Raises DataError where an annotation file says another width or height than the picture has; 0 and None say nothing."""
    width, height = said[0] or size[0], said[1] or size[1]
    if (width, height) != size:
        raise DataError(
            f"{file}: {image.name} is {width} x {height} pixels there, the picture is {size[0]} x {size[1]}"
        )


def annotated(folder: Path, home: Path, suffix: str) -> dict[Path, Path | None] | None:
    """The pictures of a folder with their annotation files, those of the same name in another; None where that holds none.

    Raises:
        DataError: Two pictures, or two files, have the same name, or a file belongs to no picture.
    """
    files = by_stem(path for path in files_of(home, suffix) if path.name != CLASSES)
    if not files:
        return None
    images = by_stem(pictures_of(folder))
    if lost := sorted(files.keys() - images.keys()):
        raise DataError(f"{files[lost[0]]}: belongs to no picture in {folder}")
    return {image: files.get(stem) for stem, image in images.items()}


def _holds_masks(folder: Path, root: Path) -> bool:
    return any(part.lower() in MASKS for part in folder.relative_to(root).parts)


def _any_case(path: Path) -> Path | None:
    """The folder of that name, whatever the case of its last part."""
    if path.is_dir():
        return path
    parent = path.parent
    names = parent.iterdir() if parent.is_dir() else ()
    return next((found for found in names if found.is_dir() and found.name.lower() == path.name.lower()), None)
