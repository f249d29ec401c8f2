"""Pale things that are no smoke (a lit road, a roof, a rock, a scrap of cloud), taken off one frame and put into another.

They are to smoke what `copy_paste` is to a plume: seen before other grounds, so that it is not enough for the model to know by heart
what is pale at its few cameras. What they are is not known, only that no mask covers them.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from models.geometry import RGB, Map

_WIDTH = 0.05
"""Of the frame's width: what is narrower than this, and brighter than what is around it, is pale."""
_LEAST_CONTRAST = 12.0
"""Of 255, to what is around it."""
_LEAST_AREA_PX = 6
_MOST_AREA = 2e-3
"""Of the frame: larger is landscape."""
_RIM_PX = 4
"""Of ground around the thing, over which it fades."""
_SKY = 0.3
"""The upper part of a frame, from which nothing is taken: nearly all that is pale there is cloud, which hard negatives have."""
_CLEARANCE = 0.03
"""Of the frame's width around smoke, from which nothing is taken: masks are tight, and smoke goes on."""
_LEAST_CHANGE = 8.0
"""Of 255, mean over the thing: where it is to be seen, and paler than what it covers."""
_PLACES = 5


@dataclass(frozen=True, slots=True)
class Distractor:
    """A thing without its ground.

    Attributes:
        image: The piece of the frame that holds it, (height, width, 3) in [0, 255].
        cover: How much of each pixel it covers, (height, width) in [0, 1].
        top: Where the piece was, as a fraction of its frame's height.
        frame: Height and width of that frame.
    """

    image: Map
    cover: Map
    top: float
    frame: tuple[int, int]


def cut_distractor(image: RGB, mask: Map, rng: np.random.Generator) -> Distractor | None:
    """One of the pale things of a frame, at random; None where there is none.

    Pale is what a white top-hat leaves: image - opening(image). Source: Meyer 1979, as in Serra 1982, chapter XII.

    Args:
        image: (height, width, 3) uint8.
        mask: Its smoke, (height, width) of 0.0 and 1.0.
        rng: Chooses the thing.
    """
    height, width = mask.shape
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    hat = cv2.morphologyEx(grey, cv2.MORPH_TOPHAT, _square(_WIDTH * width))
    pale = hat > _LEAST_CONTRAST
    pale[: round(_SKY * height)] = False
    _, labels, stats, _ = cv2.connectedComponentsWithStats(pale.astype(np.uint8), connectivity=8)
    area_px = stats[:, cv2.CC_STAT_AREA]
    fits = (area_px >= _LEAST_AREA_PX) & (area_px <= _MOST_AREA * mask.size)
    fits[0] = False  # all that is not pale
    fits[labels[cv2.dilate(mask, _square(2 * _CLEARANCE * width)) > 0]] = False
    fitting = np.flatnonzero(fits)
    if fitting.size == 0:
        return None
    label = int(rng.choice(fitting))
    left, top, wide, high = (int(value) for value in stats[label, :4])
    rows = slice(max(0, top - _RIM_PX), top + high + _RIM_PX)
    columns = slice(max(0, left - _RIM_PX), left + wide + _RIM_PX)
    cover = cv2.dilate((labels[rows, columns] == label).astype(np.float32), np.ones((3, 3), np.uint8))
    soft = np.asarray(cv2.GaussianBlur(cover, (0, 0), 0.7), np.float32)
    return Distractor(image[rows, columns].astype(np.float32), soft, rows.start / height, (height, width))


def paste_distractor(distractor: Distractor, image: RGB, mask: Map, rng: np.random.Generator) -> RGB:
    """A frame with the thing in it, at half to twice its size, near the height where it was, where it is pale too and no smoke is.

    Args:
        distractor: What to put there.
        image: (height, width, 3) uint8.
        mask: Its smoke, (height, width).
        rng: Source of size, place, side and opacity.

    Returns:
        The new frame; the old one where the thing does not fit, or no place of those tried will do.
    """
    height, width = mask.shape
    factor = float(np.exp(rng.uniform(np.log(0.5), np.log(2.0))))
    high = round(distractor.cover.shape[0] * factor * height / distractor.frame[0])
    wide = round(distractor.cover.shape[1] * factor * width / distractor.frame[1])
    if not (2 <= high <= height and 2 <= wide <= width):
        return image
    side = slice(None, None, -1 if rng.random() < 0.5 else 1)
    way = cv2.INTER_AREA if factor < 1.0 else cv2.INTER_LINEAR
    thing = np.asarray(cv2.resize(distractor.image[:, side], (wide, high), interpolation=way), np.float32)
    cover = cv2.resize(distractor.cover[:, side], (wide, high), interpolation=way)[..., None] * rng.uniform(0.5, 1.0)
    for _ in range(_PLACES):
        top = int(np.clip(round((distractor.top + rng.normal(0.0, 0.08)) * height), 0, height - high))
        left = int(rng.integers(0, width - wide + 1))
        here = (slice(top, top + high), slice(left, left + wide))
        change = (thing - image[here]) * cover
        if not mask[here].any() and change.sum() > _LEAST_CHANGE * 3 * cover.sum():
            changed = image.copy()
            changed[here] = (image[here] + change).round().clip(0, 255).astype(np.uint8)
            return changed
    return image


def _square(side_px: float) -> npt.NDArray[np.uint8]:
    return np.ones((2 * round(side_px / 2) + 1,) * 2, np.uint8)
