"""What an annotation says of one picture, as a frame: outlines before boxes, and neither is a frame without smoke."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.geometry import Box
from training.data.frames import BOXED, REAL_SMOKE, DataError, Frame, Outlines

Corners = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels."""
_NO_SMOKE = "clear"


def drawn_frame(
    image: Path,
    root: Path,
    file: Path,
    outlines: Sequence[Any],
    corners: Sequence[Corners],
    size: tuple[int, int],
    line: int = 0,
) -> Frame:
    """A frame of what was drawn on a picture.

    Args:
        image: The picture.
        root: Its data folder; the group is its path in there: each picture is one of its own until `split` finds those that belong
            together.
        file: The annotation file.
        outlines: Segmentations as COCO writes them.
        corners: Boxes; taken only where no outline is drawn, for a frame is either known by the pixel or not.
        size: Width and height of the picture.
        line: Of the annotation file.

    Raises:
        DataError: A box is empty or outside.
    """
    group = image.relative_to(root).with_suffix("").as_posix()
    if outlines:
        return Frame(image, Outlines(file, json.dumps(list(outlines))), REAL_SMOKE, group, manifest=file, line=line)
    boxes = tuple(_box(each, size, f"{file}, line {line}" if line else str(file)) for each in corners)
    return Frame(image, None, BOXED if boxes else _NO_SMOKE, group, boxes, file, line)


def _box(corners: Corners, size: tuple[int, int], where: str) -> Box:
    """To whole pixels, cut to the picture where it ends at most a pixel outside."""
    left, top, right, bottom = (round(value) for value in corners)
    width, height = size
    if not (-1 <= left < right <= width + 1 and -1 <= top < bottom <= height + 1):
        raise DataError(
            f"{where}: box {left} {top} {right} {bottom} is empty or outside of a picture of {width} x {height} pixels"
        )
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    return Box(left, top, right - left, bottom - top)
