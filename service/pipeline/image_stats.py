"""What a picture looks like in a few numbers: brightness, contrast, sharpness and glare of a small grey thumbnail."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from models.drift import thumbnail
from models.geometry import RGB

_GLARE_LEVEL: Final = 250


@dataclass(frozen=True, slots=True)
class ImageStats:
    """What a frame looks like.

    Attributes:
        thumbnail: Grey, (160, 160) uint8.
        brightness, contrast: Mean and standard deviation of the grey level, in [0, 1].
        sharpness: Standard deviation of its Laplacian over that of itself; 0 for a plain frame.
        glare: Share of pixels that are almost white.
    """

    thumbnail: npt.NDArray[np.uint8]
    brightness: float
    contrast: float
    sharpness: float
    glare: float


def image_stats(frame: RGB) -> ImageStats:
    """Look at a frame fitted to the model's square, (size, size, 3) uint8."""
    grey = thumbnail(frame)
    mean, deviation = (float(value[0, 0]) for value in cv2.meanStdDev(grey))
    edges = float(cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_16S))[1][0, 0])
    glare = cv2.countNonZero(cv2.compare(grey, _GLARE_LEVEL, cv2.CMP_GE)) / grey.size
    return ImageStats(grey, mean / 255, deviation / 255, edges / deviation if deviation else 0.0, glare)
