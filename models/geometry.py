"""The one geometry: an image fitted to the model's square and back, and the regions found on it.

Training, evaluation and service all call these functions, so that a frame has the same pixels wherever it is looked at.
"""

from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

RGB = npt.NDArray[np.uint8]
"""An image (height, width, 3), uint8, red first."""
Map = npt.NDArray[np.float32]
"""One value a pixel (height, width), float32."""
Mask = npt.NDArray[np.bool_]
"""Smoke or not, (height, width)."""
_Pixels = TypeVar("_Pixels", RGB, Map)


@dataclass(frozen=True, slots=True)
class Region:
    """A connected piece of a mask.

    Attributes:
        left, top, width, height: Bounding box in pixels of the mask.
        area_px: Number of pixels.
        label: The value of its pixels in the label map.
    """

    left: int
    top: int
    width: int
    height: int
    area_px: int
    label: int


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of the frame: its left upper corner, width and height."""

    x: int
    y: int
    width: int
    height: int


def fit(image: RGB, size_px: int) -> RGB:
    """Squash an image to the model's square, whatever its aspect, as in the paper.

    Shrinking averages areas, so that a plume of a few pixels is dimmed rather than dropped; enlarging is bilinear.

    Args:
        image: (height, width, 3) uint8 RGB.
        size_px: Side of the square.

    Returns:
        (size_px, size_px, 3) uint8 RGB; the input itself where it already has that size.
    """
    return _resize(image, size_px, size_px)


def fit_map(values: Map, size_px: int) -> Map:
    """Squash a map or a mask of 0.0 and 1.0 with the weights of `fit`: (height, width) -> (size_px, size_px)."""
    return _resize(values, size_px, size_px)


def unfit(values: _Pixels, width_px: int, height_px: int) -> _Pixels:
    """Bring a map of the model's square, float32 or uint8, back to the frame, bilinearly: (size, size) -> (height_px, width_px)."""
    return np.asarray(cv2.resize(values, (width_px, height_px), interpolation=cv2.INTER_LINEAR), values.dtype)


def regions(mask: Mask, minimum_fraction: float) -> tuple[list[Region], npt.NDArray[np.int32]]:
    """The connected regions (8 neighbours) of a mask that cover at least a fraction of it, largest first.

    Args:
        mask: (height, width) bool.
        minimum_fraction: Smallest area of a region as a fraction of the mask's pixels; smaller ones are left out.

    Returns:
        The regions, and the label map (height, width) in which region r has the value r.label.
    """
    pixels, labels = mask.astype(np.uint8), np.zeros(mask.shape, np.int32)
    # A frame is mostly clear: what is looked at is the box around all that is not.
    left, top, width, height = cv2.boundingRect(pixels)
    if not width:
        return [], labels
    box = slice(top, top + height), slice(left, left + width)
    # Two and a half times as fast with labels of 16 bits, which hold no more than one for every other row and column.
    kind = cv2.CV_16U if (width + 1) // 2 * ((height + 1) // 2) < 2**16 else cv2.CV_32S
    count, labels[box], stats, _ = cv2.connectedComponentsWithStats(pixels[box], connectivity=8, ltype=kind)
    large = stats[:, cv2.CC_STAT_AREA] >= minimum_fraction * mask.size
    found = [_region(stats[label], left, top, label) for label in range(1, count) if large[label]]
    return sorted(found, key=lambda region: -region.area_px), labels


def box_on_frame(region: Region, size_px: int, width_px: int, height_px: int) -> Box:
    """Bring a region's box from the model's square back to the frame; every pixel that it touches is inside.

    Args:
        region: In a square of `size_px`.
        size_px: Side of the square.
        width_px, height_px: Of the frame.
    """
    left, right = _stretch(region.left, region.width, width_px, size_px)
    top, bottom = _stretch(region.top, region.height, height_px, size_px)
    return Box(left, top, right - left, bottom - top)


def _stretch(start: int, length: int, to_px: int, from_px: int) -> tuple[int, int]:
    """The whole pixels that [start, start + length) touches on an axis of another length."""
    return start * to_px // from_px, -(-(start + length) * to_px // from_px)


def _region(stats: npt.NDArray[np.int32], from_left: int, from_top: int, label: int) -> Region:
    left, top, width, height, area_px = (int(value) for value in stats)
    return Region(from_left + left, from_top + top, width, height, area_px, label)


def _resize(values: _Pixels, width_px: int, height_px: int) -> _Pixels:
    """Resize an array axis by axis: by area where it shrinks, bilinearly where it grows."""
    height, width = values.shape[:2]
    smaller = (min(width, width_px), min(height, height_px))
    if smaller != (width, height):
        values = np.asarray(cv2.resize(values, smaller, interpolation=cv2.INTER_AREA), values.dtype)
    if smaller != (width_px, height_px):
        values = np.asarray(cv2.resize(values, (width_px, height_px), interpolation=cv2.INTER_LINEAR), values.dtype)
    return values
