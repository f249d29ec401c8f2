"""What an annotation says of one picture, as a frame: outlines, or boxes where of some smoke no more is known, or no smoke."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.geometry import Box
from training.data.files import DataError
from training.data.frames import BOXED, REAL_SMOKE, Frame, Outlines
from training.data.layouts.segmentation import Size, checked, corners_of

Corners = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels."""
CLEAR = "clear"
"""Kind of a picture of which an annotation says that it shows none."""


def drawn_frame(
    image: Path, root: Path, file: Path, outlines: Sequence[Any], corners: Sequence[Corners], size: Size
) -> Frame:
    """A frame of what was drawn on a picture.

    Args:
        image: The picture.
        root: Its data folder; the group is its path in there: each picture is one of its own until `split` finds those that belong
            together.
        file: The annotation file.
        outlines: Segmentations as COCO writes them.
        corners: Boxes around smoke that has no outline. Where there are any, the outlines count as boxes too, for a frame is either
            known by the pixel or not.
        size: Width and height of the picture.

    Raises:
        DataError: An outline cannot be drawn, or a box is empty or outside.
    """
    group = image.relative_to(root).with_suffix("").as_posix()
    try:
        drawn = [checked(each, size) for each in outlines]
        if drawn and not corners:
            return Frame(image, Outlines(file, json.dumps(drawn)), REAL_SMOKE, group, manifest=file)
        around = [corner for each in drawn for corner in corners_of(each, size)]
        boxes = tuple(_box(each, size) for each in (*corners, *around))
    except ValueError as error:
        raise DataError(f"{file}: {image.name}: {error}") from error
    return Frame(image, None, BOXED if boxes else CLEAR, group, boxes, file)


def _box(corners: Corners, size: Size) -> Box:
    """To whole pixels, cut to the picture where it ends at most a pixel outside."""
    if not all(map(math.isfinite, corners)):
        raise ValueError(f"box {' '.join(map(str, corners))}, expected numbers")
    left, top, right, bottom = (round(value) for value in corners)
    width, height = size
    if not (-1 <= left < right <= width + 1 and -1 <= top < bottom <= height + 1):
        raise ValueError(
            f"box {left} {top} {right} {bottom} is empty or outside of a picture of {width} x {height} pixels"
        )
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    return Box(left, top, right - left, bottom - top)
