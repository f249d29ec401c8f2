"""Weak labels made of a mask, as a person would draw them: boxes around its pieces, or a few strokes on and beside the smoke."""

import cv2
import numpy as np
import numpy.typing as npt

from models.geometry import Box, Map, regions

UNKNOWN, SMOKE_STROKE, BACKGROUND_STROKE = 0, 1, 2
_LINES = 4


def boxes_around(mask: Map) -> tuple[Box, ...]:
    """A box around each connected piece of a mask (height, width) of 0.0 and 1.0, the largest first."""
    return tuple(Box(piece.left, piece.top, piece.width, piece.height) for piece in regions(mask >= 0.5, 0.0)[0])


def scribble(mask: Map, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Strokes (height, width) of 0 unknown, 1 smoke, 2 background, for a mask of 0.0 and 1.0 with smoke in it.

    The stroke on smoke joins three points of its inner half and is cut where it leaves it; those on the background keep away from it.
    """
    smoke = (mask >= 0.5).astype(np.uint8)
    wide = max(1, min(mask.shape) // 150)
    near = cv2.dilate(smoke, np.ones((2 * wide + 5,) * 2, np.uint8))
    strokes = np.zeros(mask.shape, np.uint8)
    for _ in range(_LINES):
        ends = rng.uniform(0.0, 1.0, (3, 2)) * mask.shape[::-1]
        strokes[_line(mask.shape, ends, wide) & (near == 0)] = BACKGROUND_STROKE
    inside = cv2.distanceTransform(smoke, cv2.DIST_L2, 3)
    inner = np.argwhere(inside >= 0.5 * inside.max())
    points = inner[rng.integers(0, len(inner), 3)][:, ::-1]
    strokes[_line(mask.shape, points, wide) & (smoke > 0)] = SMOKE_STROKE
    return strokes


def _line(shape: tuple[int, ...], points: npt.NDArray[np.generic], wide: int) -> npt.NDArray[np.bool_]:
    """The pixels of a line that joins points (n, 2) of x, y."""
    line = np.zeros(shape, np.uint8)
    cv2.polylines(line, [points.astype(np.int32)], isClosed=False, color=1, thickness=wide)
    return line > 0
