"""How a picture is turned to stand upright: the orientation of its EXIF block, or else of its XMP block; nothing else of them is read.

A block of 64 KB can name five thousand values that share its bytes: whoever copies them all needs 300 MB.
"""

import re
import struct
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from models.geometry import RGB

_PREFIX: Final = re.compile(rb"^(?:Exif\0\0){1,2}")
_XMP: Final = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')
_ORDER: Final = {b"II": "<", b"MM": ">"}
_TAG: Final = 0x0112
_SHORT: Final = 3
_TURNS: Final[Mapping[int, Callable[[RGB], RGB]]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: np.rot90,
}


def orientation(exif: bytes, xmp: bytes = b"") -> int:
    """The orientation, 1 to 8; 1, upright, where none is told or the blocks are damaged."""
    told = _in_exif(_PREFIX.sub(b"", exif))
    if told is None and (found := _XMP.search(xmp)):
        told = int(found[1])
    return told if told is not None and told in _TURNS else 1


def upright(pixels: RGB, orientation: int) -> RGB:
    """A picture (height, width, 3), turned from this orientation."""
    turn = _TURNS.get(orientation)
    return np.ascontiguousarray(turn(pixels)) if turn else pixels


def _in_exif(tiff: bytes) -> int | None:
    """The value of the tag in the block's first directory: entries of tag, type, count and value."""
    order = _ORDER.get(tiff[:2])
    if order is None or len(tiff) < 10:
        return None
    at = struct.unpack_from(f"{order}L", tiff, 4)[0]
    if at + 2 > len(tiff):
        return None
    entries = struct.unpack_from(f"{order}H", tiff, at)[0]
    directory = tiff[at + 2 : at + 2 + 12 * entries]
    for tag, kind, count, value in struct.iter_unpack(f"{order}HHLH2x", directory[: len(directory) // 12 * 12]):
        if tag == _TAG and kind == _SHORT and count == 1:
            return int(value)
    return None
