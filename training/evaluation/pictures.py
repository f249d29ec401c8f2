"""Pictures for people: what the model saw beside the truth, and its doubt on a fixed scale."""

import math
from collections.abc import Sequence

import cv2
import numpy as np

from models.geometry import RGB, Map, Mask, fit, fit_map, unfit
from models.manifest import OUTPUTS
from models.maps import SegmentationMaps
from training.data.frames import Frame, load_image, load_mask
from training.evaluation.predictor import Predictor, predict_frame

_TRUTH, _PREDICTION = (255, 255, 0), (255, 0, 0)
_COLUMNS = 2
_TILE_PX = 320
EPISTEMIC_NATS = 0.2
"""End of the colour scale of epistemic uncertainty, a small part of the total, on sheets and panels."""


def outline(image: RGB, mask: Mask, colour: tuple[int, int, int]) -> RGB:
    """The image with the mask's contour drawn on it; (height, width, 3) uint8."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    drawn = cv2.drawContours(image.copy(), contours, -1, colour, 1)
    return np.asarray(drawn, np.uint8)


def heat(nats: Map, scale: float = math.log(2)) -> RGB:
    """An uncertainty map in colours from 0 (black) to `scale` nats (white), never stretched to the picture's own range."""
    grey = (nats / scale * 255.0).round().clip(0, 255).astype(np.uint8)
    coloured = cv2.applyColorMap(grey, cv2.COLORMAP_INFERNO)
    return np.asarray(cv2.cvtColor(coloured, cv2.COLOR_BGR2RGB), np.uint8)


def answer_panel(frame: RGB, maps: SegmentationMaps, threshold: float) -> RGB:
    """What the service answers, side by side: the frame with the mask's outline, probability, total, aleatoric and epistemic.

    Args:
        frame: (height, width, 3) uint8.
        maps: Of the model's square.
        threshold: Probability from which on a pixel is smoke.
    """
    height, width = frame.shape[:2]
    at_frame = [unfit(values, width, height) for values in maps.maps]
    marked = outline(frame, at_frame[0] >= threshold, _PREDICTION)
    tiles = (marked, heat(at_frame[0], 1.0), *(heat(nats) for nats in at_frame[1:]))
    names = ("smoke found", *OUTPUTS)
    return np.concatenate([_captioned(tile, name) for tile, name in zip(tiles, names, strict=True)], axis=1)


def contact_sheet(predictor: Predictor, frames: Sequence[Frame], threshold: float) -> RGB:
    """Per frame: the frame, truth (yellow) and prediction (red) on it, the probability, total and epistemic uncertainty.

    Scales are fixed: total from 0 to ln 2 nats, epistemic from 0 to EPISTEMIC_NATS.
    """
    strips = [_strip(predictor, frame, threshold) for frame in frames]
    blank = np.zeros_like(strips[0])
    strips += [blank] * (-len(strips) % _COLUMNS)
    rows = [np.concatenate(strips[start : start + _COLUMNS], axis=1) for start in range(0, len(strips), _COLUMNS)]
    return np.concatenate(rows)


def beside_truth(predictor: Predictor, frame: Frame) -> tuple[RGB, Mask, SegmentationMaps]:
    """A frame and its truth in the square of the maps that the model answers, and those maps."""
    image = load_image(frame.image)
    maps = predict_frame(predictor, image)
    side = maps.probability.shape[0]
    return fit(image, side), fit_map(load_mask(frame, image.shape), side) >= 0.5, maps


def _strip(predictor: Predictor, frame: Frame, threshold: float) -> RGB:
    square, truth, maps = beside_truth(predictor, frame)
    marked = outline(outline(square, truth, _TRUTH), maps.probability >= threshold, _PREDICTION)
    tiles = (square, marked, heat(maps.probability, 1.0), heat(maps.total), heat(maps.epistemic, EPISTEMIC_NATS))
    return np.concatenate([fit(tile, _TILE_PX) for tile in tiles], axis=1)


def _captioned(tile: RGB, name: str) -> RGB:
    """The tile at a fixed width with its name below it."""
    height, width = tile.shape[:2]
    small = cv2.resize(tile, (_TILE_PX, round(_TILE_PX * height / width)), interpolation=cv2.INTER_AREA)
    caption = np.full((28, _TILE_PX, 3), 255, np.uint8)
    cv2.putText(caption, name, (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (0, 0, 0), 1, cv2.LINE_AA)
    return np.concatenate([np.asarray(small, np.uint8), caption])
