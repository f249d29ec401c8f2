"""The polygons of the regions that a reply lists, on the frame's own pixels."""

from collections.abc import Sequence
from typing import Final, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from models.geometry import regions
from models.maps import SegmentationMaps
from models.outlines import Polygon, polygons
from service.pipeline.detections import REGIONS_MAX, SmokeRegion
from service.pipeline.encode import Size, mask_at

Owners: TypeAlias = npt.NDArray[np.uint8]
"""(height, width): 1 in the first region, 2 in the second, 0 in none."""
CORNERS_MAX: Final = 100_000
"""Most corners of all polygons of a frame, about a megabyte of JSON; smoke has hundreds."""
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
    """For each of the first `count` regions its polygons, mostly one; none where it falls between the frame's pixels.

    Of noise with more than CORNERS_MAX corners in all come the largest pieces.
    """
    traced = tuple(tuple(polygons(owners == number)) for number in range(1, count + 1))
    corners = sum(_corners(polygon) for pieces in traced for polygon in pieces)
    return traced if corners <= CORNERS_MAX else _largest(traced)


def _largest(traced: Sequence[Sequence[Polygon]]) -> tuple[tuple[Polygon, ...], ...]:
    pieces = sorted(
        (
            (cv2.contourArea(polygon[0]), number, place)
            for number, found in enumerate(traced)
            for place, polygon in enumerate(found)
        ),
        reverse=True,
    )
    kept, left = [set[int]() for _ in traced], CORNERS_MAX
    for _, number, place in pieces:
        left -= _corners(traced[number][place])
        if left < 0:
            break
        kept[number].add(place)
    return tuple(tuple(found[place] for place in sorted(places)) for found, places in zip(traced, kept, strict=True))


def _corners(polygon: Polygon) -> int:
    return sum(map(len, polygon))
