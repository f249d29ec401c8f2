"""Polygons along the edges of a mask's pixels, holes kept: they enclose the mask's pixels and nothing else, to the last one."""

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from models.geometry import Mask, regions
from models.maps import SegmentationMaps
from service.pipeline.detections import REGIONS_MAX, SmokeRegion
from service.pipeline.encode import Size, mask_at

Ring: TypeAlias = npt.NDArray[np.int32]
"""Corners (n, 2) as x, y in pixels; the first is not repeated."""
Polygon: TypeAlias = tuple[Ring, ...]
"""The outer ring, then those of its holes."""
Owners: TypeAlias = npt.NDArray[np.uint8]
"""(height, width): 1 in the first region, 2 in the second, 0 in none."""
_NEIGHBOURS: Final = np.ones((3, 3), np.uint8)


def region_owners(
    prediction: SegmentationMaps, found: Sequence[SmokeRegion], threshold: float, minimum_region: float, size: Size
) -> Owners:
    """Which region each smoke pixel of the frame belongs to, of those that a reply lists.

    Args:
        prediction: Maps of (side, side), in which the regions were found.
        found: The regions, largest first.
        threshold, minimum_region: What they were found with.
        size: Of the frame.
    """
    _, labels = regions(prediction.probability >= threshold, minimum_region)
    numbers = np.zeros(labels.max() + 1, np.uint8)
    listed = [region.detection.region.label for region in found[:REGIONS_MAX]]
    numbers[listed] = np.arange(1, len(listed) + 1)
    # What lies between two pixels of the square is smoke only beside a region's own: hence the neighbours.
    reach = cv2.dilate(numbers[labels], _NEIGHBOURS)
    nearest = cv2.resize(reach, (size.width, size.height), interpolation=cv2.INTER_NEAREST_EXACT)
    return np.where(mask_at(prediction, threshold, size), nearest, np.uint8(0))


def region_polygons(owners: Owners, count: int) -> tuple[tuple[Polygon, ...], ...]:
    """For each of the first `count` regions its polygons, mostly one; none where it falls between the frame's pixels."""
    return tuple(tuple(polygons(owners == number)) for number in range(1, count + 1))


def polygons(mask: Mask) -> Iterator[Polygon]:
    """The polygons of a mask (height, width), one for each piece that hangs together by the sides of its pixels."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    for label in range(1, count):
        left, top, width, height, _ = (int(value) for value in stats[label])
        piece = labels[top : top + height, left : left + width] == label
        yield tuple(np.add(ring, (left, top)) for ring in _rings(piece))


def _rings(piece: Mask) -> list[Ring]:
    """The outer ring and the holes of one piece.

    OpenCV traces the middles of pixels. On a grid of twice the size, where a pixel is the nine points of its middle, sides and corners,
    the middles that it traces are the corners that are looked for.
    """
    height, width = piece.shape
    grid = np.zeros((2 * height + 1, 2 * width + 1), np.uint8)
    grid[1::2, 1::2] = piece
    traced, hierarchy = cv2.findContours(cv2.dilate(grid, _NEIGHBOURS), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    outer_first = sorted(range(len(traced)), key=lambda index: hierarchy[0, index, 3] >= 0)
    return [_corners(traced[index][:, 0]) for index in outer_first]


def _corners(trace: Ring) -> Ring:
    """A trace on the double grid -> the corners of its pixels; where it cut a corner short, diagonally, that is put back."""
    following = np.roll(trace, -1, axis=0)
    between = np.where((trace != following).all(axis=1, keepdims=True), np.where(trace % 2, following, trace), trace)
    steps = np.stack([trace, between], axis=1).reshape(-1, 2)
    corners = steps[(steps % 2 == 0).all(axis=1)] // 2
    ring: Ring = corners[(corners != np.roll(corners, 1, axis=0)).any(axis=1)]
    return ring
