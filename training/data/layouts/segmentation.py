"""A segmentation as COCO writes it, checked before it is drawn: what draws it believes every number."""

import math
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

Segmentation = list[list[float]] | dict[str, Any]
"""Polygons [[x0, y0, x1, y1, ...], ...] in pixels, or {"size": [height, width], "counts": [run lengths, column by column]}."""
Size = tuple[int, int]
"""Width and height."""
_SHOWN = 60
_FEWEST = 6


def checked(segmentation: object, size: Size) -> Segmentation:
    """The segmentation, its run lengths written out where they were compressed.

    Raises:
        ValueError: It is no such thing, a polygon has fewer than three points or lies outside of the picture or far beyond its edge, or
            the run lengths are not those of the picture.
    """
    if isinstance(segmentation, dict):
        return _run_lengths(segmentation, size)
    if not isinstance(segmentation, list) or not segmentation:
        raise ValueError(f"segmentation {_short(segmentation)}, expected polygons or run lengths")
    return [_polygon(points, size) for points in segmentation]


def corners_of(segmentation: Segmentation, size: Size) -> list[tuple[float, float, float, float]]:
    """x0, y0, x1, y1 around a checked segmentation, one of each polygon, cut to the picture."""
    width, height = size
    if isinstance(segmentation, dict):
        left, top, wide, high = coco_mask.toBbox(coco_mask.frPyObjects(segmentation, height, width)).tolist()  # type: ignore[call-overload]
        return [(left, top, left + wide, top + high)]
    around = [(min(each[::2]), min(each[1::2]), max(each[::2]), max(each[1::2])) for each in segmentation]
    # Thin ones would round to nothing.
    return [
        (
            max(0.0, math.floor(left)),
            max(0.0, math.floor(top)),
            min(width, math.ceil(right)),
            min(height, math.ceil(bottom)),
        )
        for left, top, right, bottom in around
    ]


def _polygon(points: object, size: Size) -> list[float]:
    if not isinstance(points, list) or len(points) < _FEWEST or len(points) % 2:
        raise ValueError(f"polygon {_short(points)}, expected x and y of at least 3 points")
    try:
        numbers = np.asarray([float(value) for value in points]).reshape(-1, 2)
    except (TypeError, ValueError):
        raise ValueError(f"polygon {_short(points)}, expected numbers") from None
    low, high, edge = numbers.min(axis=0), numbers.max(axis=0), np.asarray(size)
    # Not (<), so that what is no number is refused too. Drawing takes time and memory by the length of what is drawn.
    if not ((low < edge).all() and (high > 0).all() and (low >= -edge).all() and (high <= 2 * edge).all()):
        raise ValueError(
            f"a polygon from {low[0]:g} {low[1]:g} to {high[0]:g} {high[1]:g}, expected it in a picture of {size[0]} x {size[1]} pixels"
        )
    return [float(value) for value in numbers.ravel()]


def _run_lengths(segmentation: dict[str, Any], size: Size) -> Segmentation:
    width, height = size
    said, counts = segmentation.get("size"), segmentation.get("counts")
    if said != [height, width]:
        raise ValueError(f"run lengths of {_short(said)}, expected the picture's height and width [{height}, {width}]")
    if isinstance(counts, str):
        counts = _written_out(counts)
    if not isinstance(counts, list) or not all(type(count) is int and count >= 0 for count in counts):
        raise ValueError(f"run lengths {_short(counts)}, expected whole numbers, or what pycocotools writes")
    if sum(counts) != width * height:
        raise ValueError(f"run lengths of {sum(counts)} pixels, the picture has {width * height}")
    return {"size": [height, width], "counts": counts}


def _written_out(text: str) -> list[int]:
    """Run lengths of COCO's compressed form, as `rleFrString` of pycocotools reads them, but never beyond the end.

    Five bits a character from `0` on, the lowest first; from the fourth on each is what it has more than the one before the last.
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 30:
            raise ValueError(f"run lengths {_short(text)}, expected what pycocotools writes")
        value |= (bits & 0x1F) << shift
        shift += 5
        if not bits & 0x20:
            signed = value - (1 << shift) if bits & 0x10 else value
            counts.append(signed + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
    if shift:
        raise ValueError(f"run lengths {_short(text)}, which end early")
    return counts


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
