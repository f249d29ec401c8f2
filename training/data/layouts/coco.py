"""COCO: one JSON file with images, annotations and categories; polygons, run lengths, or boxes alone."""

import os
from collections import defaultdict
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from training.data.files import DataError, expect_form, files_of, folders_of, json_of
from training.data.layouts.classes import smoke_classes
from training.data.layouts.drawn import Corners, drawn_frame
from training.data.layouts.manifest import Listed
from training.data.layouts.walk import PICTURES, expect_size, split_of, upright_size

_Id = int | str
_FINITE = ConfigDict(allow_inf_nan=False)


class _Image(BaseModel):
    id: _Id
    file_name: str = Field(min_length=1)
    width: int | None = None
    height: int | None = None


class _Annotation(BaseModel):
    model_config = _FINITE
    id: _Id | None = None
    image_id: _Id
    category_id: _Id | None = None
    segmentation: Any = None
    bbox: tuple[float, float, float, float] | None = None


class _Category(BaseModel):
    id: _Id
    name: str


def _once(images: list[_Image]) -> list[_Image]:
    ids = {image.id for image in images}
    if len(ids) < len(images):
        raise ValueError(f"{len(images)} images with {len(ids)} different ids")
    return images


class _Coco(BaseModel):
    images: Annotated[list[_Image], AfterValidator(_once)]
    annotations: list[_Annotation]
    categories: list[_Category] = []


def coco_files(root: Path) -> list[Path]:
    """The files below a root, or in its `annotations` or a split's folder, that are of this form.

    Raises:
        DataError: A file there is no JSON, or a folder cannot be looked into; it may be one of these.
    """
    found = [path for folder in (root, *folders_of(root)) for path in files_of(folder, ".json")]
    return [path for path in found if not path.is_dir() and _is_coco(path)]


def read_coco(file: Path, root: Path) -> list[Listed]:
    """The frames that a file lists.

    Raises:
        DataError: The file is not of this form, a picture is not there or of another size, or an annotation cannot be used.
    """
    content = expect_form(_Coco, json_of(file), file)
    of = _by_image(content, file)
    homes = _homes(file, root)
    return [_row(image, of[image.id], file, root, homes) for image in content.images]


def _by_image(content: _Coco, file: Path) -> dict[_Id, list[_Annotation]]:
    """The annotations of smoke. Raises DataError where one belongs to no picture or is of no class."""
    names = {each.id: each.name for each in content.categories}
    used = {each.category_id for each in content.annotations}
    if names and (unknown := used - names.keys()):
        raise DataError(
            f"{file}: category_id {min(unknown, key=str)!r} is none of the categories {', '.join(map(repr, names))}"
        )
    if not names and len(used) > 1:
        raise DataError(f"{file}: annotations of {len(used)} categories, and no categories that say which is smoke")
    smoke = smoke_classes(names.values(), file)
    of: dict[_Id, list[_Annotation]] = defaultdict(list)
    for each in content.annotations:
        if not names or names[each.category_id] in smoke:  # type: ignore[index]
            of[each.image_id].append(each)
    if lost := of.keys() - {image.id for image in content.images}:
        raise DataError(f"{file}: image_id {min(lost, key=str)!r} of an annotation is of no image")
    return of


def _row(image: _Image, annotations: list[_Annotation], file: Path, root: Path, homes: list[Path]) -> Listed:
    path = _picture(image.file_name, file, root, homes)
    size = upright_size(path)
    expect_size(path, size, (image.width, image.height), file)
    outlines = [each.segmentation for each in annotations if each.segmentation]
    corners = [_corners(each, file) for each in annotations if not each.segmentation]
    split = "val" if "val" in (split_of(path, root), split_of(file / file.stem, root), _named(file)) else "train"
    return split, drawn_frame(path, root, file, outlines, corners, size)


def _named(file: Path) -> str:
    """The split in a name such as `instances_val2017.json`."""
    return split_of(Path(file.stem) / "x", Path())


def _corners(annotation: _Annotation, file: Path) -> Corners:
    if annotation.bbox is None:
        raise DataError(
            f"{file}: annotation {annotation.id}: neither segmentation nor bbox, expected x, y, width, height"
        )
    left, top, width, height = annotation.bbox
    return left, top, left + width, top + height


def _homes(file: Path, root: Path) -> list[Path]:
    """Where pictures may lie: beside the file, at the root, or in one of their folders of pictures."""
    names = {*PICTURES, "train", "val", "valid", "test"}
    return [
        place
        for home in dict.fromkeys((file.parent, root, file.parent.parent))
        if home.is_relative_to(root)
        for place in (home, *(each for each in folders_of(home) if each.name.lower() in names))
    ]


def _picture(name: str, file: Path, root: Path, homes: list[Path]) -> Path:
    for home in homes:
        path = Path(os.path.normpath(home / name))
        try:
            if path.is_relative_to(os.path.normpath(root)) and path.is_file():
                return root / path.relative_to(os.path.normpath(root))
        except (OSError, ValueError):
            continue
    raise DataError(f"{file}: picture {name[:200]!r} is not there")


def _is_coco(path: Path) -> bool:
    content = json_of(path)
    return (
        isinstance(content, dict)
        and isinstance(content.get("images"), list)
        and isinstance(content.get("annotations"), list)
    )
