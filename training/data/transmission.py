"""Image -> transmission map: dark channel, atmospheric light, transmission (eq. 9)."""

import cv2
import numpy as np
import numpy.typing as npt

from models.geometry import RGB, Map

PATCH_PX = 15
"""Side of the local patch (He, Sun and Tang 2011, section 4.1)."""
BRIGHTEST = 0.001
"""Share of the dark channel's brightest pixels that give the atmospheric light (He, Sun and Tang 2011, section 4.3)."""


def dark_channel(image: npt.NDArray[np.floating] | RGB) -> Map:
    """min over channels, then over the patch around each pixel; patches are cut at the border.

    Args:
        image: (height, width, 3), any range.

    Returns:
        (height, width) in the image's unit. Source: He, Sun and Tang 2011, eq. 5.
    """
    red, green, blue = cv2.split(image)
    darkest = cv2.min(cv2.min(red, green), blue)
    # One pass along the rows and one along the columns are the minimum over the square.
    rows = cv2.erode(darkest, np.ones((1, PATCH_PX), np.uint8))
    return np.asarray(cv2.erode(rows, np.ones((PATCH_PX, 1), np.uint8)), np.float32)


def atmospheric_light(image: RGB, dark: Map) -> npt.NDArray[np.float32]:
    """A: the mean colour where the dark channel is brightest, at least 1 of 255 so that it can be divided by.

    Args:
        image: (height, width, 3) uint8 RGB.
        dark: Its dark channel.

    Returns:
        (3,) in [1, 255]. Departs: the mean instead of the single brightest pixel of He et al., which is often a lamp or a roof.
    """
    count = max(1, round(BRIGHTEST * dark.size))
    chosen = np.argpartition(dark, -count, axis=None)[-count:]
    light: npt.NDArray[np.float32] = image.reshape(-1, 3)[chosen].mean(axis=0, dtype=np.float32)
    return np.maximum(light, np.float32(1.0))


def transmission(image: RGB) -> Map:
    """T(m) = 1 - min_c min_{n in K(m)} I_c(n) / A_c: the share of light that reaches the camera through the haze.

    K(m) is the patch of PATCH_PX around m.

    Args:
        image: (height, width, 3) uint8 RGB.

    Returns:
        (height, width) in [0, 1]; 1 is clear air. Source: Yan et al. 2022, eq. 9.
    """
    light = atmospheric_light(image, dark_channel(image))
    lit = cv2.multiply(image, (*(1.0 / light.astype(np.float64)), 0.0), dtype=cv2.CV_32F)
    return np.asarray(np.clip(1.0 - dark_channel(lit), 0.0, 1.0), np.float32)
