"""Polygons along the edges of a mask's pixels, holes kept: they enclose the mask's pixels and nothing else, to the last one.

And plain ones of few points, for annotation tools.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from models.geometry import Mask

Ring: TypeAlias = npt.NDArray[np.int32]
"""Corners (n, 2) as x, y in pixels; the first is not repeated."""
Polygon: TypeAlias = tuple[Ring, ...]
"""The outer ring, then those of its holes."""
_SIMPLIFIED_PX: Final = 1.0


def polygons(mask: Mask) -> Iterator[Polygon]:
    """The polygons of a mask (height, width), one for each piece that hangs together by the sides of its pixels.

    All are traced at once: a mask may fall into a hundred thousand pieces.
    """
    _, labels = cv2.connectedComponents(np.pad(mask, 1).astype(np.uint8), connectivity=4)
    corners = _corners(labels)
    found: dict[int, list[Ring]] = {}
    for ring in _rings(corners):
        x, y = ring[0]
        above, below = int(labels[y, x + 1]), int(labels[y + 1, x + 1])
        # Each ring starts at its uppermost corner, and goes to the right: below that is the piece, or above it, around a hole.
        found.setdefault(below or above, []).append(ring[::-1] if below else ring)
    yield from (tuple(rings) for _, rings in sorted(found.items()))


def plain(rings: Sequence[Ring]) -> Ring:
    """A polygon as annotation tools know them: one ring of few points, within a pixel of its outline, each hole joined by a cut."""
    return _keyhole([_simplified(ring) for ring in rings])


class _Corners(NamedTuple):
    """Where outlines turn: one side of each corner goes right or left, the other one down or up."""

    x: npt.NDArray[np.intp]
    y: npt.NDArray[np.intp]
    right: npt.NDArray[np.bool_]
    down: npt.NDArray[np.bool_]


def _corners(labels: npt.NDArray[np.int32]) -> _Corners:
    """The corners of all pieces; `labels` (height + 2, width + 2) has a margin of 0.

    Where two pixels touch by their corners alone there are two corners at one place. If they are of two pieces each has its own; if it
    is one piece, which closes around a gap there, the gap has its own, so that no ring touches itself.
    """
    north_west, north_east, south_west, south_east = labels[:-1, :-1], labels[:-1, 1:], labels[1:, :-1], labels[1:, 1:]
    right, down = (north_east > 0) != (south_east > 0), (south_west > 0) != (south_east > 0)
    odd = right ^ ((north_west > 0) != (south_west > 0))
    touching = right & down & ~odd
    falling, rising = north_west > 0, (north_east == south_west) & (north_east > 0)
    one_piece = np.where(falling, north_west == south_east, rising)
    (y, x), (two_y, two_x) = np.nonzero(odd), np.nonzero(touching)
    together = (falling ^ one_piece)[touching]
    return _Corners(
        np.concatenate([x, two_x, two_x]),
        np.concatenate([y, two_y, two_y]),
        np.concatenate([right[odd], np.zeros_like(together), np.ones_like(together)]),
        np.concatenate([down[odd], ~together, together]),
    )


def _rings(corners: _Corners) -> list[Ring]:
    """The rings through all corners, each from its uppermost one, of those the leftmost, to the right.

    A side joins neighbours: of the corners of a row the first and the second, the third and the fourth, and so on; so in a column.
    """
    in_rows = np.lexsort((corners.right, corners.x, corners.y))
    in_columns = np.lexsort((corners.down, corners.y, corners.x))
    across, along = _partners(in_rows), _partners(in_columns)
    order: list[int] = []
    ends: list[int] = []
    seen = bytearray(len(across))
    for first in in_rows.tolist():
        corner = first
        while not seen[corner]:
            other = across[corner]
            order += (corner, other)
            seen[corner] = seen[other] = 1
            corner = along[other]
        if len(order) > (ends[-1] if ends else 0):
            ends.append(len(order))
    points = np.stack([corners.x, corners.y], axis=1).astype(np.int32)[order]
    return np.split(points, ends[:-1]) if ends else []


def _partners(order: npt.NDArray[np.intp]) -> list[int]:
    """The number of each corner's neighbour: the first and the second of the order belong together, and so on."""
    partners = np.empty_like(order)
    partners[order[0::2]], partners[order[1::2]] = order[1::2], order[0::2]
    found: list[int] = partners.tolist()
    return found


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
