"""Polygons along the edges of a mask's pixels, holes kept: they enclose the mask's pixels and nothing else, to the last one.

And plain ones of few points, for annotation tools.
"""

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from models.geometry import Mask

Ring: TypeAlias = npt.NDArray[np.int32]
"""Corners (n, 2) as x, y in pixels; the first is not repeated."""
Polygon: TypeAlias = tuple[Ring, ...]
"""The outer ring, then those of its holes."""
_NEIGHBOURS: Final = np.ones((3, 3), np.uint8)
_SIMPLIFIED_PX: Final = 1.0


def polygons(mask: Mask) -> Iterator[Polygon]:
    """The polygons of a mask (height, width), one for each piece that hangs together by the sides of its pixels."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    for label in range(1, count):
        left, top, width, height, _ = (int(value) for value in stats[label])
        piece = labels[top : top + height, left : left + width] == label
        yield tuple(np.add(ring, (left, top)) for ring in _rings(piece))


def plain(rings: Sequence[Ring]) -> Ring:
    """A polygon as annotation tools know them: one ring of few points, within a pixel of its outline, each hole joined by a cut."""
    return _keyhole([_simplified(ring) for ring in rings])


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


def _simplified(ring: Ring) -> Ring:
    """Fewer points, none of the outline further away than a pixel; as it is where nothing would be left."""
    few = cv2.approxPolyDP(ring, _SIMPLIFIED_PX, closed=True)[:, 0]
    return few if len(few) > 2 and cv2.contourArea(few) > 0 else ring


def _keyhole(rings: Sequence[Ring]) -> Ring:
    """One ring of an outer one and its holes: annotation tools know no holes. Each is reached, and left again, by the shortest cut."""
    outer, *holes = rings
    for hole in holes:
        away = ((outer[:, None] - hole[None]) ** 2).sum(axis=2)
        leave, arrive = np.unravel_index(away.argmin(), away.shape)
        around = np.roll(hole, -int(arrive), axis=0)
        outer = np.concatenate([outer[: leave + 1], around, around[:1], outer[leave:]])
    return outer
