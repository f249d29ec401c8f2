"""Pictures for people: what the model saw beside the truth, and its doubt on a fixed scale."""

import math
from collections.abc import Sequence

import cv2
import numpy as np

from models.frame import RGB, Map, Mask, fit, fit_map
from training.data.smoke5k import Frame, load_image, load_mask
from training.prediction import Predict

_TRUTH, _PREDICTION = (255, 255, 0), (255, 0, 0)
_COLUMNS = 2
_TILE_PX = 320


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


def contact_sheet(predict: Predict, frames: Sequence[Frame], size_px: int, threshold: float) -> RGB:
    """Per frame: the frame, truth (yellow) and prediction (red) on it, the probability, total and epistemic uncertainty."""
    strips = [_strip(predict, frame, size_px, threshold) for frame in frames]
    blank = np.zeros_like(strips[0])
    strips += [blank] * (-len(strips) % _COLUMNS)
    rows = [np.concatenate(strips[start : start + _COLUMNS], axis=1) for start in range(0, len(strips), _COLUMNS)]
    return np.concatenate(rows)


def _strip(predict: Predict, frame: Frame, size_px: int, threshold: float) -> RGB:
    image = load_image(frame.image)
    truth = fit_map(load_mask(frame, image.shape), size_px) >= 0.5
    square = fit(image, size_px)
    maps = predict(square)
    marked = outline(outline(square, truth, _TRUTH), maps.probability >= threshold, _PREDICTION)
    tiles = (square, marked, heat(maps.probability, 1.0), heat(maps.total), heat(maps.epistemic))
    return np.concatenate([fit(tile, _TILE_PX) for tile in tiles], axis=1)
