"""Random views of a frame: image and mask are cut and flipped together, and the image alone changes in light and quality."""

from dataclasses import dataclass

import cv2
import numpy as np

from models.frame import RGB, Map, fit, fit_map


@dataclass(frozen=True, slots=True)
class View:
    """A square piece of a frame: image (size, size, 3) uint8 RGB and mask (size, size) of 0.0 and 1.0."""

    image: RGB
    mask: Map


def crop(
    image: RGB,
    mask: Map,
    rng: np.random.Generator,
    *,
    size_px: int,
    squashed_px: tuple[int, int],
    smoke_centred: float,
) -> View:
    """A square of `size_px` out of the frame squashed to a random size, so that smoke has the shapes that inference sees.

    Only the piece is resampled: cutting first and squashing then is the same picture at a fraction of the work.

    Args:
        image: (height, width, 3) uint8.
        mask: (height, width) of 0.0 and 1.0.
        rng: Source of size and place.
        size_px: Side of the square.
        squashed_px: Smallest and largest side of the squashed frame.
        smoke_centred: Probability that the square contains a given random pixel of smoke, where there is smoke.
    """
    height, width = mask.shape
    high = round(height * min(1.0, size_px / rng.uniform(*squashed_px)))
    wide = round(width * min(1.0, size_px / rng.uniform(*squashed_px)))
    top, left = _corner(mask, rng, high, wide, smoke_centred)
    piece = (slice(top, top + high), slice(left, left + wide))
    return View(fit(np.ascontiguousarray(image[piece]), size_px), _binary(mask[piece], size_px))


def whole(image: RGB, mask: Map, size_px: int) -> View:
    """The whole frame as inference sees it."""
    return View(fit(image, size_px), _binary(mask, size_px))


def flip(view: View, rng: np.random.Generator) -> View:
    """Mirror left to right, every second time."""
    if rng.random() < 0.5:
        return view
    return View(np.ascontiguousarray(view.image[:, ::-1]), np.ascontiguousarray(view.mask[:, ::-1]))


def change_light(image: RGB, rng: np.random.Generator, strength: float) -> RGB:
    """Gain and offset, gamma, colour cast, saturation and haze: what weather and another camera do to a picture.

    Args:
        image: (height, width, 3) uint8.
        rng: Source of the changes.
        strength: 0 changes nothing, 1 is strong.
    """
    pixels = image.astype(np.float32) / 255.0
    pixels = np.power(pixels, np.exp(rng.normal(0.0, 0.25 * strength)))
    gain = np.exp(rng.normal(0.0, 0.15 * strength)) * np.exp(rng.normal(0.0, 0.05 * strength, 3))
    pixels = (pixels - 0.5) * gain + 0.5 + rng.normal(0.0, 0.06 * strength)
    grey = pixels.mean(axis=2, keepdims=True)
    pixels = grey + (pixels - grey) * np.clip(1.0 + rng.normal(0.0, 0.3 * strength), 0.0, 2.0)
    if rng.random() < 0.3 * strength:
        pixels = _haze(pixels, rng)
    return (pixels * 255.0).round().clip(0, 255).astype(np.uint8)


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


def _binary(mask: Map, size_px: int) -> Map:
    """The mask at the model's size: a pixel is smoke where at least half of its area is."""
    return (fit_map(np.ascontiguousarray(mask), size_px) >= 0.5).astype(np.float32)


def _haze(pixels: Map, rng: np.random.Generator) -> Map:
    """I t + A (1 - t), with a transmission t that changes from the upper to the lower edge (He, Sun and Tang 2011, eq. 1)."""
    transmission = np.linspace(rng.uniform(0.5, 1.0), rng.uniform(0.5, 1.0), pixels.shape[0], dtype=np.float32)[
        :, None, None
    ]
    light = rng.uniform(0.6, 1.0) + rng.normal(0.0, 0.03, 3).astype(np.float32)
    hazy: Map = pixels * transmission + light * (1.0 - transmission)
    return hazy
