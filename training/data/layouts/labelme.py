"""labelme: beside each picture a JSON file of its name, with shapes: polygons, and rectangles as boxes."""

import json
from pathlib import Path
from typing import Any

from training.data.files import pictures_of
from training.data.frames import DataError
from training.data.layouts.classes import smoke_classes
from training.data.layouts.drawn import drawn_frame
from training.data.layouts.manifest import Listed
from training.data.layouts.walk import split_of, upright_size


def read_labelme(folder: Path, root: Path) -> list[Listed] | None:
    """The pictures of a folder; those without a file show no smoke. None where no picture has one.

    Raises:
        DataError: A file cannot be read, or names a shape that is neither polygon nor rectangle.
    """
    images = pictures_of(folder)
    shapes = {image: _shapes(image.with_suffix(".json")) for image in images if image.with_suffix(".json").is_file()}
    if not shapes:
        return None
    smoke = smoke_classes((str(shape.get("label")) for of in shapes.values() for shape in of), folder)
    rows = []
    for image in images:
        file = image.with_suffix(".json")
        of = [shape for shape in shapes.get(image, ()) if str(shape.get("label")) in smoke]
        outlines = [[_points(shape, file)] for shape in of if shape.get("shape_type", "polygon") == "polygon"]
        corners = [_rectangle(shape, file) for shape in of if shape.get("shape_type") == "rectangle"]
        rows.append((split_of(image, root), drawn_frame(image, root, file, outlines, corners, upright_size(image))))
    return rows


def _shapes(file: Path) -> list[dict[str, Any]]:
    try:
        shapes = json.loads(file.read_text(encoding="utf-8-sig"))["shapes"]
    except (OSError, ValueError, RecursionError, KeyError, TypeError) as error:
        raise DataError(f"{file}: no labelme file: {error!r}") from error
    unknown = [
        shape.get("shape_type")
        for shape in shapes
        if shape.get("shape_type", "polygon") not in ("polygon", "rectangle")
    ]
    if unknown:
        raise DataError(f"{file}: a shape of type {unknown[0]!r}, expected polygon or rectangle")
    return list(shapes)


def _points(shape: dict[str, Any], file: Path) -> list[float]:
    try:
        points = [float(value) for x, y in shape["points"] for value in (x, y)]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{file}: points {shape.get('points')!r}, expected [[x, y], ...]") from error
    if len(points) < 6 and shape.get("shape_type") != "rectangle":
        raise DataError(f"{file}: a polygon of {len(points) // 2} points, expected at least 3")
    return points


def _rectangle(shape: dict[str, Any], file: Path) -> tuple[float, float, float, float]:
    points = _points(shape, file)
    return min(points[::2]), min(points[1::2]), max(points[::2]), max(points[1::2])
