"""Maps -> 8-bit PNG files on a fixed scale: byte 0 is the output's minimum, byte 255 its maximum, for every frame."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from models.frame import Map, unfit
from models.manifest import Output
from service.prediction import Prediction

MASK: Final = Output("mask", "1", 0.0, 1.0, "uint8")


@dataclass(frozen=True, slots=True)
class EncodedMap:
    """A map as a grey 8-bit PNG file.

    Attributes:
        width, height: In pixels.
        minimum, maximum: What the bytes 0 and 255 stand for, in `unit`.
        unit: `nat`, or `1` for a probability and the mask.
        data: The file.
    """

    width: int
    height: int
    minimum: float
    maximum: float
    unit: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Size:
    """Width and height in pixels."""

    width: int
    height: int


def encode_maps(
    prediction: Prediction, names: Iterable[str], scales: Mapping[str, Output], threshold: float, size: Size | None
) -> dict[str, EncodedMap]:
    """Encode the maps that were asked for.

    Args:
        prediction: Maps of (side, side).
        names: Which; `mask` is the probability held against the threshold at the size asked for.
        scales: Range and unit of each.
        threshold: Probability from which on a pixel is smoke.
        size: Bring the maps to this size; None leaves them as the model gave them.
    """
    return {name: _encode_map(_map(prediction, name, threshold, size), scales[name]) for name in names}


def mask_at(prediction: Prediction, threshold: float, size: Size | None) -> npt.NDArray[np.bool_]:
    """The smoke pixels at a size: (height, width) bool."""
    return _at(prediction.probability, size) >= threshold


def quantise(values: Map, minimum: float, maximum: float) -> npt.NDArray[np.uint8]:
    """Values on [minimum, maximum] to the nearest of 256 steps; what lies outside is clipped. Nothing is stretched."""
    steps = (np.clip(values, minimum, maximum) - minimum) * (255.0 / (maximum - minimum))
    levels: npt.NDArray[np.uint8] = np.rint(steps).astype(np.uint8)
    return levels


def _map(prediction: Prediction, name: str, threshold: float, size: Size | None) -> Map:
    if name == MASK.name:
        return mask_at(prediction, threshold, size).astype(np.float32)
    values: Map = getattr(prediction, name)
    return _at(values, size)


def _at(values: Map, size: Size | None) -> Map:
    return values if size is None else unfit(values, size.width, size.height)


def _encode_map(values: Map, scale: Output) -> EncodedMap:
    height, width = values.shape
    data = png(quantise(values, scale.minimum, scale.maximum))
    return EncodedMap(width, height, scale.minimum, scale.maximum, scale.unit, data)


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """A grey picture (height, width) uint8 as a PNG file."""
    _, data = cv2.imencode(".png", pixels)
    return data.tobytes()
