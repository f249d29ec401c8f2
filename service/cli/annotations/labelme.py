"""Labelme: a JSON file for each picture, which `labelme` opens together with it."""

import json
import os
from pathlib import Path
from typing import Any, Final

from models.outlines import Ring
from service.cli.annotations.shapes import LABEL, AnnotatedPicture, RegionShape
from service.cli.pictures import readable

_VERSION: Final = "5.5.0"
"""Of labelme, whose format this is."""


class LabelmeWriter:
    """Writes below a folder: `STEM.json`, which names the picture relative to itself."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, picture: AnnotatedPicture) -> None:
        """Write the shapes of a picture."""
        folder = self._folder / picture.folder
        folder.mkdir(parents=True, exist_ok=True)
        content: dict[str, Any] = {
            "version": _VERSION,
            "flags": {},
            "shapes": [_shape(polygon, shape) for shape in picture.shapes for polygon in shape.polygons],
            "imagePath": readable(os.path.relpath(picture.source.resolve(), folder.resolve())),
            "imageData": None,
            "imageHeight": picture.height,
            "imageWidth": picture.width,
        }
        (folder / f"{picture.stem}.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

    def close(self) -> None:
        """Nothing is left to write."""


def _shape(polygon: Ring, shape: RegionShape) -> dict[str, Any]:
    return {
        "label": LABEL,
        "points": polygon.astype(float).tolist(),
        "group_id": shape.number,
        "description": f"probability {shape.mean_probability:.3f}, epistemic {shape.epistemic:.4f} nats",
        "shape_type": "polygon",
        "flags": {"doubted": shape.doubted},
        "mask": None,
    }
