"""Scribbles as a person would draw them, made of a mask: a line along the smoke, and some across the background."""

import cv2
import numpy as np
import numpy.typing as npt

from models.geometry import Map

UNKNOWN, SMOKE, BACKGROUND = 0, 1, 2
_LINES = 4


def scribble(mask: Map, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Strokes (height, width) of 0 unknown, 1 smoke, 2 background, for a mask of 0.0 and 1.0 with smoke in it.

    The stroke on smoke joins three points of its inner half and is cut where it leaves it; those on the background keep away from it.
    """
    smoke = (mask >= 0.5).astype(np.uint8)
    wide = max(1, min(mask.shape) // 150)
    near = cv2.dilate(smoke, np.ones((2 * wide + 5,) * 2, np.uint8))
    strokes = np.zeros(mask.shape, np.uint8)
    for _ in range(_LINES):
        line = np.zeros(mask.shape, np.uint8)
        ends = rng.uniform(0.0, 1.0, (3, 2)) * mask.shape[::-1]
        cv2.polylines(line, [ends.astype(np.int32)], isClosed=False, color=1, thickness=wide)
        strokes[(line > 0) & (near == 0)] = BACKGROUND
    inside = cv2.distanceTransform(smoke, cv2.DIST_L2, 3)
    inner = np.argwhere(inside >= 0.5 * inside.max())
    points = inner[rng.integers(0, len(inner), 3)][:, ::-1]
    line = np.zeros(mask.shape, np.uint8)
    cv2.polylines(line, [points.astype(np.int32)], isClosed=False, color=1, thickness=wide)
    strokes[(line > 0) & (smoke > 0)] = SMOKE
    return strokes
