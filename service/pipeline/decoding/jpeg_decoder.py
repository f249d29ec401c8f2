"""JPEG -> RGB by libjpeg-turbo, which counts what it cannot make sense of; other decoders keep that to themselves."""

import re
from typing import Final

import numpy as np
import simplejpeg
from PIL import Image

from models.geometry import RGB
from service.errors import FrameBroken, FrameModeUnsupported
from service.pipeline.decoding.jpeg_markers import PROFILE, JpegStructure

_COLOURS: Final = {1: "RGB", 3: "RGB", 4: "CMYK"}
_END: Final = b"\xff\xd9"
# No profile is applied, and libjpeg-turbo refuses a picture for a broken one: it is shown none.
_HIDDEN_PROFILE: Final = b"no profile.\0"
# Some cameras leave a few bytes before the end: every pixel was there by then.
_FORGIVEN: Final = re.compile(r"Corrupt JPEG data: [1-8] extraneous bytes before marker 0xd9")


def decode_jpeg(body: bytes, structure: JpegStructure) -> tuple[RGB, bool]:
    """Decode a JPEG file.

    Returns:
        (height, width, 3) uint8 RGB as stored, and whether it is damaged: a hole, bytes that were overwritten, or no last marker.

    Raises:
        FrameBroken: The file was cut.
        FrameModeUnsupported: It has neither one, three nor four components.
        ValueError: It does not decode.
    """
    if structure.components not in _COLOURS:
        raise FrameModeUnsupported(f"found {structure.components} components, expected 1, 3 or 4")
    if structure.profiled:
        body = body.replace(PROFILE, _HIDDEN_PROFILE)
    if not structure.ended:
        return _without_end(body, structure), True
    try:
        return _pixels(body, structure, strict=True), False
    except ValueError as warning:
        return _pixels(body, structure, strict=False), not _FORGIVEN.fullmatch(str(warning))


def _without_end(body: bytes, structure: JpegStructure) -> RGB:
    """A file that lacks its last marker, or half of it, and nothing else."""
    try:
        return _pixels(body.removesuffix(_END[:1]) + _END, structure, strict=True)
    except ValueError as error:
        raise FrameBroken(f"found a JPEG file that was cut ({error}), expected a whole one") from error


def _pixels(body: bytes, structure: JpegStructure, *, strict: bool) -> RGB:
    colours = _COLOURS[structure.components]
    pixels: RGB = simplejpeg.decode_jpeg(body, colours, strict=strict)
    if colours == "CMYK":
        # As Adobe writes them, and with it everybody: inverted.
        pixels = np.asarray(Image.fromarray(255 - pixels, "CMYK").convert("RGB"))
    return pixels
