"""YOLO-seg: a text file for each picture, a line for each polygon, in fractions of the frame; and the `data.yaml` of the data set."""

from pathlib import Path
from typing import Final

import numpy as np

from models.outlines import Ring
from service.cli.annotations.shapes import LABEL, AnnotatedPicture

_DATA: Final = f"# Pictures belong into images/, as their labels lie in labels/.\ntrain: images\nval: images\nnames:\n  0: {LABEL}\n"


class YoloWriter:
    """Writes below a folder: `labels/STEM.txt`, empty where there is no smoke."""

    def __init__(self, folder: Path) -> None:
        self._labels = folder / "labels"
        self._labels.mkdir(parents=True, exist_ok=True)
        (folder / "data.yaml").write_text(_DATA, encoding="utf-8")

    def add(self, picture: AnnotatedPicture) -> None:
        """Write the labels of a picture."""
        file = self._labels / picture.folder / f"{picture.stem}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        lines = [_line(polygon, picture) for shape in picture.shapes for polygon in shape.polygons]
        file.write_text("".join(lines), encoding="ascii")

    def close(self) -> None:
        """Nothing is left to write."""


def _line(polygon: Ring, picture: AnnotatedPicture) -> str:
    fractions = polygon / np.array([picture.width, picture.height])
    return f"0 {' '.join(f'{number:.6f}' for number in fractions.ravel())}\n"
