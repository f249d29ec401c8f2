"""Real smoke, lifted off the frame that it was seen on and laid over another: the same plume before a ground it was never before.

A camera sees I = (1 - a) B + a C, the ground B through smoke of colour C and opacity a (He, Sun and Tang 2011, eq. 1, with t = 1 - a).
B under the smoke is what lies around it, grown inwards; the difference D = I - B = a (C - B) is then all that is known of the smoke,
and over another ground J it looks like

    J' = (1 - a) J + a C = J + a (B - J) + D.

D does not tell a: it is taken as proportional to |D|, with a chosen opacity at the densest. At the mask's border D is 0 by
construction, so that there is no seam.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from models.geometry import RGB, Map

_MARGIN = 0.5
"""Of the smoke's larger side, around it, from which its ground is grown."""
_DENSEST = 0.98
"""Quantile of |D| over the smoke that has the chosen opacity."""
_LEAST_CONTRAST = 6.0
"""Of 255: fainter smoke cannot be told from its ground well enough to be lifted."""
_LEAST_VISIBLE = 5.0
"""Of 255, mean over the mask: smoke that changes its new ground less is not to be seen there."""
_LEAST_AREA_PX = 12
_SMOOTHING = 0.04
"""Standard deviation over which |D| is smoothed to an opacity, as a share of the smoke's larger side."""


@dataclass(frozen=True, slots=True)
class Plume:
    """Smoke without its ground.

    Attributes:
        difference: D, (height, width, 3), 0 outside the mask.
        ground: B, (height, width, 3) in [0, 255].
        strength: |D| over that of the densest part, smoothed, (height, width) in [0, 1].
        mask: (height, width) of 0.0 and 1.0.
        bottom: Where the smoke's lowest pixel was, as a fraction of its frame's height.
        share: The smoke's larger side, each as a fraction of its frame's.
        frame: Height and width of that frame.
    """

    difference: Map
    ground: Map
    strength: Map
    mask: Map
    bottom: float
    share: float
    frame: tuple[int, int]


def cut_plume(image: RGB, mask: Map) -> Plume | None:
    """The largest connected smoke of a frame; None where there is none, or it is too faint, or it fills its frame.

    Args:
        image: (height, width, 3) uint8.
        mask: (height, width) of 0.0 and 1.0.
    """
    box = _largest(mask)
    if box is None:
        return None
    top, left, high, wide, own = box
    margin = 4 + round(_MARGIN * max(high, wide))
    rows = slice(max(0, top - margin), top + high + margin)
    columns = slice(max(0, left - margin), left + wide + margin)
    piece, smoke = image[rows, columns].astype(np.float32), own[rows, columns]
    ground = _grown(piece, _widened(mask[rows, columns]))
    soft = cv2.GaussianBlur(smoke, (0, 0), 1.0)
    difference = (piece - ground) * soft[..., None]
    magnitude = cv2.GaussianBlur(np.abs(difference).max(axis=2), (0, 0), 0.5 + _SMOOTHING * max(high, wide))
    densest = float(np.quantile(magnitude[smoke > 0], _DENSEST))
    if densest < _LEAST_CONTRAST:
        return None
    share = max(high / mask.shape[0], wide / mask.shape[1])
    strength = soft * np.clip(magnitude / densest, 0.0, 1.0)
    return Plume(
        difference, ground, strength, smoke, (top + high) / mask.shape[0], share, (mask.shape[0], mask.shape[1])
    )


def paste_plume(
    plume: Plume, image: RGB, mask: Map, rng: np.random.Generator, size: tuple[float, float]
) -> tuple[RGB, Map]:
    """A frame with the plume before it, at a random size, place and opacity, near the height at which it was seen.

    Args:
        plume: What to lay over the frame.
        image: J, (height, width, 3) uint8.
        mask: Smoke that is there already, (height, width).
        rng: Source of size, place, opacity and side.
        size: Smallest and largest side of the plume as a fraction of the frame's; never larger than twice what it was.

    Returns:
        The new frame and its mask; both as they were where the plume could not be seen.
    """
    height, width = mask.shape
    wanted = float(np.exp(rng.uniform(*np.log(size))))
    scaled = _scaled(plume, min(wanted / plume.share, 2.0), mask.shape, flipped=bool(rng.random() < 0.5))
    if scaled is None:
        return image, mask
    high, wide = scaled.mask.shape
    lowest = int(np.flatnonzero(scaled.mask.any(axis=1))[-1])
    top = round((plume.bottom + rng.normal(0.0, 0.08)) * height) - lowest
    top, left = int(np.clip(top, 0, height - high)), int(rng.integers(0, width - wide + 1))
    here = (slice(top, top + high), slice(left, left + wide))
    before = image[here].astype(np.float32)
    opacity = rng.uniform(0.35, 0.95) * scaled.strength[..., None]
    after = before + rng.uniform(0.7, 1.2) * (opacity * (scaled.ground - before) + scaled.difference)
    changed = np.abs(after - before).max(axis=2)[scaled.mask > 0]
    if changed.mean() < _LEAST_VISIBLE:
        return image, mask
    laid, joint = image.copy(), mask.copy()
    laid[here] = after.round().clip(0, 255).astype(np.uint8)
    joint[here] = np.maximum(joint[here], scaled.mask)
    return laid, joint


def _largest(mask: Map) -> tuple[int, int, int, int, Map] | None:
    """Top, left, height and width of the largest connected smoke, and its own mask; None where there is too little ground to know.

    That is: no smoke, less than 4 px of it, more than .6 of the frame, or smoke that touches two borders or more.
    """
    count, labels, stats, _ = cv2.connectedComponentsWithStats((mask > 0).astype(np.uint8), connectivity=8)
    if count < 2:
        return None
    label = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    left, top, wide, high = (int(value) for value in stats[label, :4])
    touched = (left == 0) + (top == 0) + (left + wide == mask.shape[1]) + (top + high == mask.shape[0])
    if touched > 1 or min(high, wide) < 4 or max(high / mask.shape[0], wide / mask.shape[1]) > 0.6:
        return None
    return top, left, high, wide, (labels == label).astype(np.float32)


def _widened(mask: Map) -> Map:
    """The mask and two pixels around it, where smoke may go on."""
    return np.asarray(cv2.dilate(mask, np.ones((5, 5), np.uint8)), np.float32)


def _grown(image: Map, unknown: Map) -> Map:
    """The image with its unknown pixels filled in smoothly from around them: means over ever coarser grids (pull), then back (push).

    Source: Gortler et al. 1996, «The Lumigraph», section 3.4.
    """
    height, width = unknown.shape
    weight = 1.0 - unknown
    if min(height, width) <= 2 or not unknown.any():
        mean = (image * weight[..., None]).sum(axis=(0, 1)) / max(float(weight.sum()), 1e-6)
        return np.asarray(image * weight[..., None] + (1.0 - weight[..., None]) * mean, np.float32)
    size = ((width + 1) // 2, (height + 1) // 2)
    known = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
    blurred = cv2.resize(image * weight[..., None], size, interpolation=cv2.INTER_AREA)
    coarse = _grown(blurred / np.maximum(known, 1e-6)[..., None], (known < 1e-3).astype(np.float32))
    filled = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(image * weight[..., None] + filled * (1.0 - weight[..., None]), np.float32)


def _scaled(plume: Plume, factor: float, shape: tuple[int, ...], *, flipped: bool) -> Plume | None:
    """The plume at `factor` of its share of a frame of this shape, mirrored if flipped; None where it does not fit, or vanishes."""
    high = round(plume.mask.shape[0] * factor * shape[0] / plume.frame[0])
    wide = round(plume.mask.shape[1] * factor * shape[1] / plume.frame[1])
    if not (8 <= high <= shape[0] and 8 <= wide <= shape[1]):
        return None
    way = cv2.INTER_AREA if high < plume.mask.shape[0] else cv2.INTER_LINEAR

    def resized(values: Map) -> Map:
        return np.asarray(cv2.resize(values[:, ::-1] if flipped else values, (wide, high), interpolation=way))

    mask = (resized(plume.mask) >= 0.5).astype(np.float32)
    if mask.sum() < _LEAST_AREA_PX:
        return None
    fields = resized(plume.difference), resized(plume.ground), resized(plume.strength)
    return Plume(*fields, mask, plume.bottom, plume.share, plume.frame)
