"""The photograph with the smoke drawn on it, for people: tinted where smoke was found, outlined at its edge."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from models.geometry import RGB, Mask

_TINT: Final = np.array([255.0, 64.0, 32.0], dtype=np.float32)
_TINT_SHARE: Final = 0.35
_EDGE: Final = (255, 32, 0)
_JPEG: Final = (cv2.IMWRITE_JPEG_QUALITY, 90)


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG file and its size in pixels."""

    width: int
    height: int
    data: bytes


def overlay(frame: RGB, mask: Mask) -> Picture:
    """Draw the mask onto the frame.

    Args:
        frame: (height, width, 3) uint8 RGB; left as it is.
        mask: (height, width) bool.
    """
    height, width = mask.shape
    picture = _tinted(frame, mask)
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, outlines, -1, _EDGE, thickness=max(1, round(min(width, height) / 400)))
    _, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), _JPEG)
    return Picture(width, height, data.tobytes())


def _tinted(frame: RGB, mask: Mask) -> npt.NDArray[np.uint8]:
    picture = frame.copy()
    picture[mask] = ((1.0 - _TINT_SHARE) * frame[mask] + _TINT_SHARE * _TINT).astype(np.uint8)
    return picture
