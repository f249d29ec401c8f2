"""labelme: beside each picture a JSON file of its name, with shapes: polygons, and rectangles as boxes."""

import json
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from models.outlines import Ring
from training.data.files import DataError, by_stem, expect_form, files_of, json_of, pictures_of
from training.data.frames import Frame
from training.data.layouts.classes import smoke_classes
from training.data.layouts.drawn import Corners, drawn_frame
from training.data.layouts.manifest import Listed
from training.data.layouts.segmentation import Size
from training.data.layouts.walk import expect_size, split_of, upright_size

_POLYGON, _RECTANGLE = "polygon", "rectangle"
_SMOKE, _VERSION = "smoke", "5.5.0"


class _Shape(BaseModel):
    model_config = ConfigDict(allow_inf_nan=False)
    label: str
    points: list[tuple[float, float]]
    shape_type: str = _POLYGON


class _Labelme(BaseModel):
    shapes: list[_Shape]
    imageWidth: int | None = None  # noqa: N815 - as labelme writes it
    imageHeight: int | None = None  # noqa: N815


def read_labelme(folder: Path, root: Path) -> list[Listed] | None:
    """The pictures of a folder; those without a file show no smoke. None where no picture has one.

    Raises:
        DataError: A file cannot be read or belongs to no picture, or smoke is a shape that is neither polygon nor rectangle.
    """
    files = by_stem(files_of(folder, ".json"))
    pictures = pictures_of(folder)
    if not any(image.stem in files for image in pictures):
        return None
    images = by_stem(pictures)
    contents = {stem: json_of(file) for stem, file in files.items()}
    lost = [stem for stem in sorted(files.keys() - images.keys()) if _is_labelme(contents[stem])]
    if lost:
        raise DataError(f"{files[lost[0]]}: belongs to no picture beside it")
    read = {stem: expect_form(_Labelme, contents[stem], files[stem]) for stem in files.keys() & images.keys()}
    smoke = smoke_classes((shape.label for each in read.values() for shape in each.shapes), folder)
    return [
        (split_of(image, root), _frame(image, root, files.get(stem, folder), read.get(stem), smoke))
        for stem, image in images.items()
    ]


def write_labelme(picture: Path, size: Size, polygons: Iterable[Ring], remark: str) -> None:
    """Beside a picture of that size the file that labelme opens with it, with polygons of smoke; without any there is none.

    A file that is there already is left as it is: somebody may have put it right.
    """
    shape: dict[str, object] = {
        "label": _SMOKE,
        "shape_type": _POLYGON,
        "group_id": None,
        "flags": {},
        "description": remark,
    }
    content: dict[str, object] = {
        "version": _VERSION,
        "flags": {},
        "shapes": [{**shape, "points": ring.astype(float).tolist()} for ring in polygons],
        "imagePath": picture.name,
        "imageData": None,
        "imageHeight": size[1],
        "imageWidth": size[0],
    }
    file = picture.with_suffix(".json")
    if not file.exists():
        file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _frame(image: Path, root: Path, file: Path, content: _Labelme | None, smoke: set[str]) -> Frame:
    size = upright_size(image)
    if content is None:
        return drawn_frame(image, root, file, (), (), size)
    expect_size(image, size, (content.imageWidth, content.imageHeight), file)
    shapes = [shape for shape in content.shapes if shape.label in smoke]
    outlines = [[_numbers(shape)] for shape in shapes if shape.shape_type == _POLYGON]
    corners = [_rectangle(shape, file) for shape in shapes if shape.shape_type != _POLYGON]
    return drawn_frame(image, root, file, outlines, corners, size)


def _is_labelme(content: object) -> bool:
    return isinstance(content, dict) and "shapes" in content


def _numbers(shape: _Shape) -> list[float]:
    return [value for point in shape.points for value in point]


def _rectangle(shape: _Shape, file: Path) -> Corners:
    if shape.shape_type != _RECTANGLE:
        raise DataError(f"{file}: a shape of type {shape.shape_type!r}, expected polygon or rectangle")
    if len(shape.points) < 2:
        raise DataError(f"{file}: a rectangle of {len(shape.points)} points, expected 2")
    xs, ys = zip(*shape.points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)
