"""COCO: one JSON file of all pictures, with a polygon for each piece of a region."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np

from service.cli.annotations.shapes import LABEL, AnnotatedPicture, RegionShape
from service.cli.pictures import readable

_CATEGORY: Final = 1


class CocoWriter:
    """Keeps what it is told and writes `instances.json` into a folder when it is closed.

    Args:
        folder: Where to.
        sources: All pictures; their names are told relative to the folder that they share.
    """

    def __init__(self, folder: Path, sources: Iterable[Path]) -> None:
        self._file = folder / "instances.json"
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._root = os.path.commonpath([Path(os.path.realpath(path)).parent for path in sources])
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def add(self, picture: AnnotatedPicture) -> None:
        """Take a picture and its regions."""
        image = len(self._images) + 1
        name = readable(os.path.relpath(picture.source.resolve(), self._root))
        self._images.append({"id": image, "file_name": name, "width": picture.width, "height": picture.height})
        for shape in picture.shapes:
            self._annotations.append({"id": len(self._annotations) + 1, "image_id": image, **_annotation(shape)})

    def close(self) -> None:
        """Write the file."""
        content: dict[str, Any] = {
            "info": {"description": "Smoke as smoke-bvm found it; to be put right by people."},
            "licenses": [],
            "images": self._images,
            "annotations": self._annotations,
            "categories": [{"id": _CATEGORY, "name": LABEL, "supercategory": ""}],
        }
        self._file.write_text(json.dumps(content) + "\n", encoding="utf-8")


def _annotation(shape: RegionShape) -> dict[str, Any]:
    points = np.concatenate(shape.polygons)
    (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return {
        "category_id": _CATEGORY,
        "segmentation": [polygon.ravel().astype(float).tolist() for polygon in shape.polygons],
        "area": shape.area_px,
        "bbox": [left, top, right - left, bottom - top],
        "iscrowd": 0,
        "score": shape.mean_probability,
        "attributes": {"epistemic": shape.epistemic, "doubted": shape.doubted},
    }
