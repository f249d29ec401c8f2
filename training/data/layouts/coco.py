"""COCO: one JSON file with images, annotations and categories; polygons, run lengths, or boxes alone."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from training.data.frames import DataError
from training.data.layouts.classes import smoke_classes
from training.data.layouts.drawn import Corners, drawn_frame
from training.data.layouts.manifest import Listed
from training.data.layouts.walk import PICTURES, split_of, upright_size

_PLACES = ("", "annotations/")


def coco_files(root: Path) -> list[Path]:
    """The files below a root, or in its `annotations` or a split's folder, that are of this form."""
    found = sorted({*root.glob("*.json"), *root.glob("*/*.json")})
    return [path for path in found if not path.name.startswith(".") and _is_coco(path)]


def read_coco(file: Path, root: Path) -> list[Listed]:
    """The frames that a file lists.

    Raises:
        DataError: A picture is not there or of another size, or an annotation cannot be used.
    """
    content = json.loads(file.read_text(encoding="utf-8-sig"))
    names = {each.get("id"): str(each.get("name")) for each in content.get("categories", ())}
    smoke = smoke_classes(names.values(), file)
    of: dict[object, list[dict[str, Any]]] = defaultdict(list)
    for each in content["annotations"]:
        if not smoke or names.get(each.get("category_id")) in smoke:
            of[each.get("image_id")].append(each)
    return [_row(image, of[image.get("id")], file, root) for image in content["images"]]


def _row(image: dict[str, Any], annotations: list[dict[str, Any]], file: Path, root: Path) -> Listed:
    path = _picture(str(image.get("file_name")), file, root)
    size = upright_size(path)
    said = (image.get("width", size[0]), image.get("height", size[1]))
    if said != size:
        raise DataError(
            f"{file}: {path.name} is {said[0]} x {said[1]} pixels there, the picture is {size[0]} x {size[1]}"
        )
    outlines = [each["segmentation"] for each in annotations if each.get("segmentation")]
    corners = [_corners(each, file) for each in annotations]
    split = "val" if "val" in (split_of(path, root), split_of(file / file.stem, root), _named(file)) else "train"
    return split, drawn_frame(path, root, file, outlines, corners, size)


def _named(file: Path) -> str:
    """The split in a name such as `instances_val2017.json`."""
    return split_of(Path(file.stem) / "x", Path())


def _corners(annotation: dict[str, Any], file: Path) -> Corners:
    try:
        left, top, width, height = (float(value) for value in annotation["bbox"])
    except (KeyError, TypeError, ValueError):
        raise DataError(
            f"{file}: annotation {annotation.get('id')}: bbox {annotation.get('bbox')}, expected x, y, width, height"
        ) from None
    return left, top, left + width, top + height


def _picture(name: str, file: Path, root: Path) -> Path:
    """Beside the file, at the root, or in one of their folders of pictures."""
    homes = [file.parent, root, file.parent.parent]
    for home in homes:
        for place in (
            home,
            *(
                folder
                for folder in sorted(home.glob("*"))
                if folder.is_dir() and folder.name.lower() in (*PICTURES, "train", "val", "valid", "test")
            ),
        ):
            if (place / name).is_file() and (place / name).is_relative_to(root):
                return place / name
    raise DataError(f"{file}: picture {name!r} is not there")


def _is_coco(path: Path) -> bool:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return False
    return (
        isinstance(content, dict)
        and isinstance(content.get("images"), list)
        and isinstance(content.get("annotations"), list)
    )
