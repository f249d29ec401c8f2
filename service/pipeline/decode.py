"""Bytes -> RGB: the one decoder, which trusts the first bytes and the header before it decodes a pixel.

Formats are told by their magic bytes; pixel budget, shape and animation by the header; every way to store a pixel has
one agreed conversion or is refused in words; the EXIF orientation is applied once and all metadata is dropped.
"""

import io
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from models.geometry import RGB
from service.errors import (
    BodyEmpty,
    FormatUnsupported,
    FrameAnimated,
    FrameBroken,
    FrameModeUnsupported,
    FrameShapeExtreme,
    FrameTooLarge,
    RequestError,
)

_PNG_END: Final = b"IEND\xaeB`\x82"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a header may promise: pixels in all, longest side over shortest, shortest side."""

    pixels_max: int
    aspect_max: float = 20.0
    side_min_px: int = 8


def no_hold(pixels: int) -> None:
    """Hold nothing: whoever decodes one frame at a time needs no permit."""


def decode(body: bytes, limits: Limits, hold_pixels: Callable[[int], None] = no_hold) -> RGB:
    """Decode one frame as a person would see it.

    Args:
        body: A JPEG, PNG or WebP file.
        limits: Checked against the header, before any pixel is decoded.
        hold_pixels: Told how many pixels the header promises, before any is decoded; raises where there is no room.

    Returns:
        (height, width, 3) uint8 RGB, upright.

    Raises:
        RequestError: One of its classes per cause: empty, no known format, too large, too elongated, animated, stored
            in an unknown way, truncated or damaged.
    """
    expected = sniff(body)
    try:
        with Image.open(io.BytesIO(body), formats=(expected,)) as image:
            _check_header(image, limits)
            hold_pixels(image.width * image.height)
            image.load()
            _check_end(body, expected)
            return np.asarray(_CONVERSIONS[image.mode](_upright(image)), dtype=np.uint8)
    except RequestError:
        raise
    except UnidentifiedImageError as error:
        raise FrameBroken(f"found a {expected} file with a broken header, expected a whole one") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise FrameTooLarge(f"found too many pixels, expected at most {limits.pixels_max}") from error
    except Exception as error:  # whatever a decoder raises, hostile bytes caused it
        raise FrameBroken(
            f"found a {expected} file that does not decode ({_short(error)}), expected a whole one"
        ) from error


def sniff(body: bytes) -> str:
    """The format that the first bytes announce: JPEG, PNG or WEBP.

    Raises:
        BodyEmpty: There are no bytes.
        FormatUnsupported: They announce none of the three.
    """
    if not body:
        raise BodyEmpty("found an empty body, expected a JPEG, PNG or WebP file")
    if body.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if body.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return "WEBP"
    raise FormatUnsupported(f"found a body that starts with {body[:8]!r}, expected a JPEG, PNG or WebP file")


def _check_header(image: Image.Image, limits: Limits) -> None:
    width, height = image.size
    if width * height > limits.pixels_max:
        raise FrameTooLarge(f"found {width} x {height} pixels, expected at most {limits.pixels_max} in all")
    if min(width, height) < limits.side_min_px:
        raise FrameShapeExtreme(f"found {width} x {height} pixels, expected sides of at least {limits.side_min_px}")
    if max(width, height) > limits.aspect_max * min(width, height):
        raise FrameShapeExtreme(
            f"found {width} x {height} pixels, expected an aspect of at most {limits.aspect_max:g} : 1"
        )
    # Phones store a second view behind a JPEG (MPO): the first one is the photograph.
    if image.format != "MPO" and getattr(image, "is_animated", False):
        raise FrameAnimated(f"found {getattr(image, 'n_frames', 'several')} frames in one file, expected a single one")
    if image.mode not in _CONVERSIONS:
        raise FrameModeUnsupported(f"found pixels stored as {image.mode}, expected one of {', '.join(_CONVERSIONS)}")


def _check_end(body: bytes, expected: str) -> None:
    """Pillow forgives a PNG that lost its last chunk; a cut upload is a cut upload."""
    if expected == "PNG" and _PNG_END not in body[-(2**16) :] and _PNG_END not in body:
        raise FrameBroken("found a PNG file without its end, expected a whole one")


def _upright(image: Image.Image) -> Image.Image:
    """The picture turned as its EXIF block says; the pixels are whole even where that block is damaged."""
    with suppress(Exception):  # a damaged block raises all sorts of errors, before the pixels are turned or after
        ImageOps.exif_transpose(image, in_place=True)
    return image


def _keep(image: Image.Image) -> Image.Image:
    return image


def _convert(image: Image.Image) -> Image.Image:
    return image.convert("RGB")


def _drop_alpha(image: Image.Image) -> Image.Image:
    """A camera has no transparency: keep the colours as they were written."""
    return image.convert("RGBA").convert("RGB")


def _high_byte(image: Image.Image) -> Image.Image:
    """16-bit grey: keep the high byte, as Pillow does for 16-bit colour."""
    high = np.right_shift(np.asarray(image).astype(np.uint16), 8).astype(np.uint8)
    return Image.fromarray(high).convert("RGB")


_CONVERSIONS: Final[Mapping[str, Callable[[Image.Image], Image.Image]]] = {
    "RGB": _keep,
    "L": _convert,
    "1": _convert,
    "CMYK": _convert,
    "P": _drop_alpha,
    "LA": _drop_alpha,
    "RGBA": _drop_alpha,
    "I;16": _high_byte,
}
"""The mode Pillow finds in the header -> its way to RGB. 16-bit colour arrives as RGB, high byte kept."""


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:120]
