"""Bytes -> RGB: trusts the first bytes and the header before it decodes a pixel.

Formats are told by their magic bytes; what decoding may cost, pixel budget, shape and animation by the structure; every way to store a
pixel has one agreed conversion or is refused in words; the orientation is applied once and all metadata is dropped.
"""

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, UnidentifiedImageError

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
from service.pipeline.decoding.header_limits import PngStructure, check_webp
from service.pipeline.decoding.jpeg_decoder import decode_jpeg
from service.pipeline.decoding.jpeg_markers import JpegStructure
from service.pipeline.decoding.orientation import orientation, upright
from service.pipeline.decoding.sixteen_bits import rgb_of_16_bits

_PNG_END: Final = b"IEND\xaeB`\x82"
HoldPixels = Callable[[int], None]
"""Told how many pixels a header promises, before any is decoded; raises RequestError where there is no room."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a header may promise: pixels in all, longest side over shortest, shortest side."""

    pixels_max: int
    aspect_max: float = 20.0
    side_min_px: int = 8


@dataclass(frozen=True, slots=True)
class DecodedFrame:
    """A frame as a person would see it.

    Attributes:
        pixels: (height, width, 3) uint8 RGB, upright.
        damaged: Some of them are not as they were sent: the decoder met data that fit nothing.
    """

    pixels: RGB
    damaged: bool = False


def no_hold(pixels: int) -> None:
    """Hold nothing: whoever decodes one frame at a time needs no permit."""


def decode(body: bytes, limits: Limits) -> RGB:
    """The pixels of `decode_frame`, damaged or not."""
    return decode_frame(body, limits).pixels


def decode_frame(body: bytes, limits: Limits, hold_pixels: HoldPixels = no_hold) -> DecodedFrame:
    """Decode one frame as a person would see it.

    Args:
        body: A JPEG, PNG or WebP file.
        limits: Checked against the header, before any pixel is decoded.
        hold_pixels: See `HoldPixels`.

    Raises:
        RequestError: One of its classes per cause: empty, no known format, too large, too elongated, animated, stored
            in an unknown way, truncated or damaged beyond use.
    """
    expected = sniff(body)
    try:
        return _DECODERS[expected](body, limits, hold_pixels)
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


def _jpeg(body: bytes, limits: Limits, hold_pixels: HoldPixels) -> DecodedFrame:
    structure = JpegStructure.read(body, limits.pixels_max)
    if not structure.width * structure.height:
        raise FrameBroken("found a JPEG file without a size, expected a whole one")
    _check_size(structure.width, structure.height, limits)
    hold_pixels(structure.width * structure.height)
    pixels, damaged = decode_jpeg(body, structure)
    return DecodedFrame(upright(pixels, orientation(structure.exif, structure.xmp)), damaged)


def _png(body: bytes, limits: Limits, hold_pixels: HoldPixels) -> DecodedFrame:
    """Its checksums tell damage: a damaged one does not decode."""
    structure = PngStructure.read(body)
    with _loaded(body, "PNG", limits, hold_pixels) as image:
        # Pillow forgives a PNG that lost its last chunk; a cut upload is a cut upload.
        if _PNG_END not in body[-(2**16) :] and _PNG_END not in body:
            raise FrameBroken("found a PNG file without its end, expected a whole one")
        pixels = (
            rgb_of_16_bits(_values(image, body), structure.significant) if structure.depth == 16 else _to_rgb(image)
        )
        return DecodedFrame(upright(pixels, orientation(*_told(image.info))))


def _values(image: Image.Image, body: bytes) -> npt.NDArray[np.uint16]:
    """16-bit samples (height, width[, 3]), without transparency; of colour Pillow keeps the high bytes alone."""
    if image.mode == "I;16":
        return np.asarray(image)
    values = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_UNCHANGED)
    return np.asarray(values, np.uint16)[..., 2::-1]


def _webp(body: bytes, limits: Limits, hold_pixels: HoldPixels) -> DecodedFrame:
    check_webp(body)
    with _loaded(body, "WEBP", limits, hold_pixels) as image:
        return DecodedFrame(upright(_to_rgb(image), orientation(*_told(image.info))))


@contextmanager
def _loaded(body: bytes, expected: str, limits: Limits, hold_pixels: HoldPixels) -> Iterator[ImageFile.ImageFile]:
    """The picture as Pillow decodes it, once its header was looked at."""
    with Image.open(io.BytesIO(body), formats=(expected,)) as image:
        _check_header(image, limits)
        hold_pixels(image.width * image.height)
        image.load()
        yield image


def _to_rgb(image: Image.Image) -> RGB:
    return np.asarray(_CONVERSIONS[image.mode](image), dtype=np.uint8)


def _told(info: Mapping[Any, Any]) -> tuple[bytes, bytes]:
    """The EXIF and the XMP block, whichever way a PNG or WebP file holds them."""
    exif, raw = info.get("exif", b""), info.get("Raw profile type exif", "")
    if not exif and raw:
        with suppress(ValueError):
            exif = bytes.fromhex("".join(raw.split("\n")[3:]))
    xmp = info.get("xmp", info.get("XML:com.adobe.xmp", b""))
    return exif, xmp.encode() if isinstance(xmp, str) else xmp


def _check_header(image: Image.Image, limits: Limits) -> None:
    _check_size(*image.size, limits)
    if getattr(image, "is_animated", False):
        raise FrameAnimated(f"found {getattr(image, 'n_frames', 'several')} frames in one file, expected a single one")
    if image.mode not in _CONVERSIONS:
        raise FrameModeUnsupported(f"found pixels stored as {image.mode}, expected one of {', '.join(_CONVERSIONS)}")


def _check_size(width: int, height: int, limits: Limits) -> None:
    if width * height > limits.pixels_max:
        raise FrameTooLarge(f"found {width} x {height} pixels, expected at most {limits.pixels_max} in all")
    if min(width, height) < limits.side_min_px:
        raise FrameShapeExtreme(f"found {width} x {height} pixels, expected sides of at least {limits.side_min_px}")
    if max(width, height) > limits.aspect_max * min(width, height):
        raise FrameShapeExtreme(
            f"found {width} x {height} pixels, expected an aspect of at most {limits.aspect_max:g} : 1"
        )


def _keep(image: Image.Image) -> Image.Image:
    return image


def _convert(image: Image.Image) -> Image.Image:
    return image.convert("RGB")


def _drop_alpha(image: Image.Image) -> Image.Image:
    """A camera has no transparency: keep the colours as they were written."""
    return image.convert("RGBA").convert("RGB")


_CONVERSIONS: Final[Mapping[str, Callable[[Image.Image], Image.Image]]] = {
    "RGB": _keep,
    "L": _convert,
    "1": _convert,
    "P": _drop_alpha,
    "LA": _drop_alpha,
    "RGBA": _drop_alpha,
    "I;16": _convert,
}
"""The mode Pillow finds in the header -> its way to RGB. 16-bit samples go their own way."""


_DECODERS: Final[Mapping[str, Callable[[bytes, Limits, HoldPixels], DecodedFrame]]] = {
    "JPEG": _jpeg,
    "PNG": _png,
    "WEBP": _webp,
}


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:120]
