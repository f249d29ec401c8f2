"""Image -> transmission map: dark channel, atmospheric light, transmission (eq. 9)."""

import cv2
import numpy as np
import numpy.typing as npt

from models.frame import RGB, Map

PATCH_PX = 15
"""Side of the local patch (He, Sun and Tang 2011, section 4.1)."""
BRIGHTEST = 0.001
"""Share of the dark channel's brightest pixels that give the atmospheric light (He, Sun and Tang 2011, section 4.3)."""


def dark_channel(image: npt.NDArray[np.floating], patch_px: int = PATCH_PX) -> Map:
    """min over channels, then over the patch around each pixel; patches are cut at the border.

    Args:
        image: (height, width, 3), any range.
        patch_px: Odd side of the patch.

    Returns:
        (height, width) in the image's unit. Source: He, Sun and Tang 2011, eq. 5.
    """
    kernel = np.ones((patch_px, patch_px), np.uint8)
    return np.asarray(cv2.erode(np.ascontiguousarray(image.min(axis=2), np.float32), kernel), np.float32)


def atmospheric_light(image: RGB, dark: Map, brightest: float = BRIGHTEST) -> npt.NDArray[np.float32]:
    """A: the mean colour where the dark channel is brightest, at least 1 of 255 so that it can be divided by.

    Args:
        image: (height, width, 3) uint8 RGB.
        dark: Its dark channel.
        brightest: Share of pixels to average over, at least one pixel.

    Returns:
        (3,) in [1, 255]. Departs: the mean instead of the single brightest pixel of He et al., which is often a lamp or a roof.
    """
    count = max(1, round(brightest * dark.size))
    chosen = np.argpartition(dark, -count, axis=None)[-count:]
    light: npt.NDArray[np.float32] = image.reshape(-1, 3)[chosen].mean(axis=0, dtype=np.float32)
    return np.maximum(light, np.float32(1.0))


def transmission(image: RGB, patch_px: int = PATCH_PX) -> Map:
    """T(m) = 1 - min_c min_{n in K(m)} I_c(n) / A_c: the share of light that reaches the camera through the haze.

    Args:
        image: (height, width, 3) uint8 RGB.
        patch_px: Odd side of the patch K.

    Returns:
        (height, width) in [0, 1]; 1 is clear air. Source: Yan et al. 2022, eq. 9.
    """
    light = atmospheric_light(image, dark_channel(image.astype(np.float32), patch_px))
    return np.asarray(np.clip(1.0 - dark_channel(image / light, patch_px), 0.0, 1.0), np.float32)
