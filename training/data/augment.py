"""Random views of a frame: all that is known of its pixels is cut and flipped together; its light and quality change alone."""

from dataclasses import dataclass

import cv2
import numpy as np

from models.geometry import RGB, Map, fit, fit_map
from training.data.synthetic import fog_bank

_GREY = 0.06
"""Share of views without colour, as some cameras are, and others at dusk."""
_ZOOM = (1.7, 2.9)
"""How much larger a close-up shows things than the whole frame does; that of `models.close_ups.CloseUps` is 2.4."""


@dataclass(frozen=True, slots=True)
class View:
    """A picture with what is known of its pixels, a frame or a square piece of one.

    Attributes:
        image: (height, width, 3) uint8 RGB.
        mask: (height, width) of 0.0 and 1.0.
        transmission: (height, width) in [0, 1], of the frame as it was before its light changed.
        known: (height, width), 1.0 where the mask says the truth, else 0.0.
    """

    image: RGB
    mask: Map
    transmission: Map
    known: Map


def crop(
    frame: View,
    rng: np.random.Generator,
    *,
    size_px: int,
    squashed_px: tuple[int, int],
    smoke_centred: float,
) -> View:
    """A square of `size_px` out of the frame squashed to a random size, so that smoke has the shapes that inference sees.

    Only the piece is resampled: cutting first and squashing then is the same picture at a fraction of the work.

    Args:
        frame: What to cut from.
        rng: Source of size and place.
        size_px: Side of the square.
        squashed_px: Smallest and largest side of the squashed frame.
        smoke_centred: Probability that the square contains a given random pixel of smoke, where there is smoke.
    """
    height, width = frame.mask.shape
    high = round(height * min(1.0, size_px / rng.uniform(*squashed_px)))
    wide = round(width * min(1.0, size_px / rng.uniform(*squashed_px)))
    top, left = _corner(frame.mask, rng, high, wide, smoke_centred)
    piece = (slice(top, top + high), slice(left, left + wide))
    return whole(_part(frame, piece), size_px)


def close_up(frame: View, rng: np.random.Generator, *, size_px: int, smoke_centred: float) -> View:
    """A piece of nearly the frame's proportions, near the size at which `models.close_ups` looks at small smoke.

    Args:
        frame: What to cut from.
        rng: Source of size and place.
        size_px: Side of the square that it becomes.
        smoke_centred: As of `crop`.
    """
    height, width = frame.mask.shape
    zoom = rng.uniform(*_ZOOM)
    high, wide = (max(1, round(side / (zoom * rng.uniform(0.9, 1.1)))) for side in (height, width))
    top, left = _corner(frame.mask, rng, high, wide, smoke_centred)
    return whole(_part(frame, (slice(top, top + high), slice(left, left + wide))), size_px)


def whole(frame: View, size_px: int) -> View:
    """The whole frame as inference sees it."""
    mask, known = _reduced(frame.mask, frame.known, size_px)
    return View(fit(frame.image, size_px), mask, fit_map(frame.transmission, size_px), known)


def flip(view: View, rng: np.random.Generator) -> View:
    """Mirror left to right, every second time."""
    if rng.random() < 0.5:
        return view
    return _part(view, (slice(None), slice(None, None, -1)))


def change_light(image: RGB, rng: np.random.Generator, strength: float) -> RGB:
    """Gain and offset, gamma, colour cast, saturation and haze: what weather and another camera do to a picture.

    Args:
        image: (height, width, 3) uint8.
        rng: Source of the changes.
        strength: 0 changes nothing, 1 is strong.
    """
    curve = (np.arange(256, dtype=np.float32) / 255.0) ** np.exp(rng.normal(0.0, 0.25 * strength))
    gain = np.exp(rng.normal(0.0, 0.15 * strength)) * np.exp(rng.normal(0.0, 0.05 * strength, 3))
    table = (curve[:, None] - 0.5) * gain + 0.5 + rng.normal(0.0, 0.06 * strength)
    saturation = 0.0 if rng.random() < _GREY * strength else np.clip(1.0 + rng.normal(0.0, 0.3 * strength), 0.0, 2.0)
    to_grey = np.full((3, 3), 1 / 3)
    lit = cv2.LUT(image, table.astype(np.float32)[None])
    pixels = np.asarray(cv2.transform(lit, to_grey + (np.eye(3) - to_grey) * saturation), np.float32)
    if rng.random() < 0.3 * strength:
        pixels = _haze(pixels, rng)
    return _to_uint8(pixels)


def add_haze_bank(image: RGB, rng: np.random.Generator, strength: float) -> RGB:
    """Now and then, ragged haze across the whole view, as lies in valleys: smoke has ends, such a bank has none.

    Args:
        image: (height, width, 3) uint8.
        rng: Source of place, thickness and density.
        strength: 0.15 of it is the probability.
    """
    if rng.random() >= 0.15 * strength:
        return image
    height, width = image.shape[:2]
    opacity = fog_bank(rng, height, width)
    transmission = (1.0 - rng.uniform(0.2, 0.8) * opacity).astype(np.float32)[..., None]
    hazy = _seen_through(image.astype(np.float32) / 255.0, transmission, rng)
    return _to_uint8(hazy)


def add_sun(image: RGB, rng: np.random.Generator, strength: float) -> RGB:
    """Now and then, the sun in the sky or just above it: a core that saturates, a veil over all, and an exposure that darkens the land.

    Args:
        image: (height, width, 3) uint8.
        rng: Source of place, size, colour and brightness.
        strength: 0.12 of it is the probability.
    """
    if rng.random() >= 0.12 * strength:
        return image
    height, width = image.shape[:2]
    down, across = np.mgrid[0:height, 0:width].astype(np.float32) / width
    distance = np.hypot(down - rng.uniform(-0.1, 0.3) * height / width, across - rng.uniform(0.0, 1.0))
    core = np.exp(rng.uniform(np.log(0.03), np.log(0.15)))
    glare = rng.uniform(0.8, 1.6) / (1.0 + (distance / core) ** 2)
    veil = rng.uniform(0.05, 0.3) * np.exp(-distance / rng.uniform(0.2, 0.6))
    warmth = np.array([1.0, 0.98, 0.93], np.float32) ** rng.uniform(0.0, 3.0)
    seen: Map = image * (rng.uniform(0.45, 0.9) / 255.0) + (glare + veil)[..., None] * warmth
    return _to_uint8(seen)


def change_quality(image: RGB, rng: np.random.Generator, strength: float) -> RGB:
    """Blur, sensor noise and JPEG artefacts, each now and then; `strength` is the probability's scale, 0 changes nothing."""
    if rng.random() < 0.2 * strength:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.4)), np.uint8)
    if rng.random() < 0.25 * strength:
        noise = rng.normal(0.0, rng.uniform(1.0, 8.0), image.shape).astype(np.float32)
        image = (image + noise).round().clip(0, 255).astype(np.uint8)
    if rng.random() < 0.3 * strength:
        _, coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 92))])
        image = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    return image


def _part(view: View, piece: tuple[slice, slice]) -> View:
    """The same rows and columns of all that is known of the pixels."""
    return View(
        np.ascontiguousarray(view.image[piece]),
        np.ascontiguousarray(view.mask[piece]),
        np.ascontiguousarray(view.transmission[piece]),
        np.ascontiguousarray(view.known[piece]),
    )


def _corner(mask: Map, rng: np.random.Generator, high: int, wide: int, smoke_centred: float) -> tuple[int, int]:
    """Upper left corner of a window (high, wide): anywhere, or such that it holds one random pixel of smoke."""
    height, width = mask.shape
    smoke = np.flatnonzero(mask) if rng.random() < smoke_centred else np.empty(0, np.int64)
    if smoke.size == 0:
        return int(rng.integers(0, height - high + 1)), int(rng.integers(0, width - wide + 1))
    y, x = divmod(int(rng.choice(smoke)), width)
    top = y - int(rng.integers(0, high))
    left = x - int(rng.integers(0, wide))
    return int(np.clip(top, 0, height - high)), int(np.clip(left, 0, width - wide))


def _reduced(mask: Map, known: Map, size_px: int) -> tuple[Map, Map]:
    """Mask and what is known at the model's size: a pixel is smoke, or known, where at least half of its area is.

    Of strokes any part of its area will do, so that none is lost, and smoke is at least half of what is known of it.
    """
    smoke, area = fit_map(mask, size_px), fit_map(known, size_px)
    strokes = mask.any() and not known.all()
    seen = area > 0.0 if strokes else area >= 0.5
    of = np.where(strokes, area, 1.0)
    return (seen & (smoke >= 0.5 * of)).astype(np.float32), seen.astype(np.float32)


def _haze(pixels: Map, rng: np.random.Generator) -> Map:
    """I t + A (1 - t), with a transmission t that changes from the upper to the lower edge (He, Sun and Tang 2011, eq. 1)."""
    transmission = np.linspace(rng.uniform(0.5, 1.0), rng.uniform(0.5, 1.0), pixels.shape[0], dtype=np.float32)[
        :, None, None
    ]
    return _seen_through(pixels, transmission, rng)


def _seen_through(pixels: Map, transmission: Map, rng: np.random.Generator) -> Map:
    """I t + A (1 - t) with a nearly grey atmospheric light A."""
    light = (rng.uniform(0.6, 1.0) + rng.normal(0.0, 0.03, 3)).astype(np.float32)
    hazy: Map = light + (pixels - light) * transmission
    return hazy


def _to_uint8(pixels: Map) -> RGB:
    """[0, 1] -> 0 to 255, rounded; what is beyond is cut."""
    return np.asarray(cv2.multiply(pixels, (255.0,) * 4, dtype=cv2.CV_8U), np.uint8)
