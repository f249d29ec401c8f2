"""Whether a camera can see at all: frozen, dark, overexposed, blurred or fogged, told from a small grey thumbnail.

The limits stand well apart from what 250 real camera frames show: contrast there is at least .14 (limit .08), sharpness at least
.17 (limit .12; a Gaussian blur of 6 px gives at most .09), glare at most .20 (limit .4), brightness at least .29 (limit .1).
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from models.drift import thumbnail
from models.geometry import RGB

FLAGS: Final = ("frozen", "dark", "overexposed", "blurred", "fogged")
_GLARE_LEVEL: Final = 250
_DARK: Final = 0.1
_GLARE: Final = 0.4
_FLAT: Final = 0.08
_SOFT: Final = 0.12
_STILL_LEVELS: Final = 0
# Between frames a minute apart at least .013 of the pixels change by more than 2 levels, on two real cameras; a clock changes fewer.
_STILL_SHARE: Final = 0.005
_STILL_FRAMES: Final = 3


@dataclass(frozen=True, slots=True)
class Look:
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


def look_at(frame: RGB) -> Look:
    """Look at a frame fitted to the model's square, (size, size, 3) uint8."""
    grey = thumbnail(frame)
    mean, deviation = (float(value[0, 0]) for value in cv2.meanStdDev(grey))
    edges = float(cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_16S))[1][0, 0])
    glare = cv2.countNonZero(cv2.compare(grey, _GLARE_LEVEL, cv2.CMP_GE)) / grey.size
    return Look(grey, mean / 255, deviation / 255, edges / deviation if deviation else 0.0, glare)


def flaws(look: Look) -> frozenset[str]:
    """What is wrong with a single frame; a dark or overexposed one is not also called fogged or blurred."""
    if look.brightness < _DARK:
        return frozenset({"dark"})
    if look.glare >= _GLARE:
        return frozenset({"overexposed"})
    if look.contrast < _FLAT:
        return frozenset({"fogged"})
    return frozenset({"blurred"}) if look.sharpness < _SOFT else frozenset()


class Stillness:
    """Whether a camera repeats itself: three frames in a row alike, but for a clock in a corner; a dark one cannot tell."""

    def __init__(self) -> None:
        self._last: npt.NDArray[np.uint8] | None = None
        self._alike = 0

    def frozen(self, look: Look) -> bool:
        """Take the next frame in; whether it and the ones before it are one picture."""
        same = self._last is not None and _alike(look.thumbnail, self._last)
        self._alike = self._alike + 1 if same else 1
        self._last = look.thumbnail
        return self._alike >= _STILL_FRAMES and look.brightness >= _DARK


def _alike(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> bool:
    changed = cv2.compare(cv2.absdiff(one, other), _STILL_LEVELS, cv2.CMP_GT)
    return cv2.countNonZero(changed) < _STILL_SHARE * one.size
