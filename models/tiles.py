"""Overlapping tiles of a frame beside the whole of it, and their maps merged: for smoke that the model's square cannot show.

The frame is squashed to a canvas of side C = S + s, with S the model's square and s = round(2 S / 3) the step, and the tiles are the
canvas' four corners of side S: each shows 60 % of the frame's width and height at 5/3 of the square's resolution, and every seam lies
in the middle fifth of the frame, inside the other tiles.
"""

import itertools
from collections.abc import Sequence

import numpy as np

from models.geometry import RGB, Map, fit, unfit
from models.maps import SegmentationMaps
from models.tile_layout import VIEWS


def canvas_px(size_px: int) -> int:
    """Side of the canvas, and of the merged maps."""
    return size_px + _step_px(size_px)


def worth_tiling(width_px: int, height_px: int, size_px: int) -> bool:
    """Whether a frame has anything that the model's square does not show."""
    return max(width_px, height_px) > size_px


def views(image: RGB, size_px: int) -> tuple[RGB, ...]:
    """The whole frame, fitted, and its tiles: upper left, upper right, lower left, lower right.

    Args:
        image: (height, width, 3) uint8 RGB.
        size_px: Side of the model's square.

    Returns:
        VIEWS arrays (size_px, size_px, 3) uint8 RGB.
    """
    canvas = fit(image, canvas_px(size_px))
    tiles = (np.ascontiguousarray(canvas[rows, columns]) for rows, columns in _corners(size_px))
    return (fit(image, size_px), *tiles)


def merge(answers: Sequence[SegmentationMaps]) -> SegmentationMaps:
    """The maps of the canvas out of those of `views`, in the same order.

    The tiles are blended with weights that fall linearly to 0 where a tile ends inside the frame, and sum to 1, so that there is no
    seam. Each pixel then takes all four maps from one of the two looks: from the tiles where their probability, at odds divided by
    VIEWS, is above that of the whole frame, else from the whole frame. So nothing that the whole frame shows is lost (a tile cuts
    large plumes), and smoke that a tile alone sees must be as sure as one look in five has to be, since five looks err five times as
    often. The uncertainties are one look's or a blend of tiles: still total = aleatoric + epistemic, in [0, ln 2]. Novelty is that of
    the whole frame.

    Returns:
        Maps of (canvas_px(size_px), canvas_px(size_px)).
    """
    whole, *tiles = answers
    side = canvas_px(whole.probability.shape[0])
    seen, *seen_doubts = (unfit(values, side, side) for values in whole.maps)
    near, *near_doubts = (_blend(values) for values in zip(*(tile.maps for tile in tiles), strict=True))
    claimed = near / (VIEWS - (VIEWS - 1) * near)
    closer = claimed > seen
    total, aleatoric, epistemic = (np.where(closer, *pair) for pair in zip(near_doubts, seen_doubts, strict=True))
    return SegmentationMaps(np.where(closer, claimed, seen), total, aleatoric, epistemic, whole.novelty)


def _blend(tiles: Sequence[Map]) -> Map:
    """One map of the canvas out of those of the four corners."""
    size_px = tiles[0].shape[0]
    upper_left, upper_right, lower_left, lower_right = tiles
    upper = _join(upper_left.T, upper_right.T, size_px).T
    lower = _join(lower_left.T, lower_right.T, size_px).T
    return _join(upper, lower, size_px)


def _join(first: Map, second: Map, size_px: int) -> Map:
    """Two overlapping maps, one below the other: in the overlap the weight passes linearly from the first to the second."""
    step_px = _step_px(size_px)
    overlap_px = size_px - step_px
    weight = ((np.arange(overlap_px, dtype=np.float32) + 0.5) / overlap_px)[:, None]
    mixed = first[step_px:] + weight * (second[:overlap_px] - first[step_px:])
    return np.concatenate([first[:step_px], mixed, second[overlap_px:]])


def _step_px(size_px: int) -> int:
    return round(2 * size_px / 3)


def _corners(size_px: int) -> list[tuple[slice, slice]]:
    starts = (slice(0, size_px), slice(_step_px(size_px), canvas_px(size_px)))
    return list(itertools.product(starts, starts))
