"""Maps -> 8-bit PNG files on a fixed scale: byte 0 is the output's minimum, byte 255 its maximum, for every frame.

Or -> .npz files of the values themselves. And for people the photograph with the smoke drawn on it, as a JPEG or PNG file.
"""

import io
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

import cv2
import numpy as np
import numpy.typing as npt
from isal import isal_zlib

from models.geometry import RGB, Map, Mask, unfit
from models.manifest import Output
from models.maps import SegmentationMaps
from service.pipeline.options import MapEncoding, PictureEncoding

_Pixels = TypeVar("_Pixels", npt.NDArray[np.uint8], Map)
_PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_FILTER_UP: Final = 2
MASK: Final = Output("mask", "1", 0.0, 1.0, "uint8")
_TINT: Final = np.array([255.0, 64.0, 32.0], dtype=np.float32)
_TINT_SHARE: Final = 0.35
_EDGE: Final = (255, 32, 0)
_FILE: Final = {"jpeg": (".jpg", (cv2.IMWRITE_JPEG_QUALITY, 90)), "png": (".png", ())}


@dataclass(frozen=True, slots=True)
class EncodedMap:
    """A map as a file: a grey 8-bit PNG, or an .npz with one array (height, width), named as the map.

    Attributes:
        encoding: `png` or `npz`.
        dtype: Of the file's pixels: uint8 in a PNG; float32 in an .npz, bool for the mask.
        width, height: In pixels.
        minimum, maximum: Ends of the scale, in `unit`: what the bytes 0 and 255 of a PNG stand for.
        unit: `nat`, or `1` for a probability and the mask.
        data: The file.
    """

    encoding: MapEncoding
    dtype: str
    width: int
    height: int
    minimum: float
    maximum: float
    unit: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Size:
    """Width and height in pixels."""

    width: int
    height: int


def encode_maps(
    prediction: SegmentationMaps,
    names: Iterable[str],
    scales: Mapping[str, Output],
    threshold: float,
    size: Size | None,
    encoding: MapEncoding = "png",
) -> dict[str, EncodedMap]:
    """Encode the maps that were asked for.

    Args:
        prediction: Maps of (side, side).
        names: Which; `mask` is the probability held against the threshold at the size asked for.
        scales: Range and unit of each.
        threshold: Probability from which on a pixel is smoke.
        size: Bring the maps to this size; None leaves them as the model gave them.
        encoding: The files' format; in an .npz the values are neither rounded nor clipped.
    """
    if encoding == "npz":
        return {name: _as_npz(name, _values(prediction, name, threshold, size), scales[name]) for name in names}
    return {name: _as_png(_levels(prediction, name, threshold, size, scales[name]), scales[name]) for name in names}


def mask_at(prediction: SegmentationMaps, threshold: float, size: Size | None) -> Mask:
    """The smoke pixels at a size: (height, width) bool."""
    return _at(prediction.probability, size) >= threshold


def quantise(values: Map, minimum: float, maximum: float) -> npt.NDArray[np.uint8]:
    """Values on [minimum, maximum] to the nearest of 256 steps; what lies outside is clipped. Nothing is stretched."""
    scale = 255.0 / (maximum - minimum)
    # One pass; OpenCV rounds to the nearest and clips as it converts.
    return np.asarray(cv2.addWeighted(values, scale, values, 0.0, -minimum * scale, dtype=cv2.CV_8U), np.uint8)


def _values(prediction: SegmentationMaps, name: str, threshold: float, size: Size | None) -> Map | Mask:
    if name == MASK.name:
        return mask_at(prediction, threshold, size)
    values: Map = getattr(prediction, name)
    return _at(values, size)


def _levels(
    prediction: SegmentationMaps, name: str, threshold: float, size: Size | None, scale: Output
) -> npt.NDArray[np.uint8]:
    """The bytes of a picture. A map is brought to the frame's size as bytes, which is off by a step at most, and four times as fast."""
    if name == MASK.name:
        return mask_at(prediction, threshold, size).astype(np.uint8) * np.uint8(255)
    return _at(quantise(getattr(prediction, name), scale.minimum, scale.maximum), size)


def _at(values: _Pixels, size: Size | None) -> _Pixels:
    return values if size is None else unfit(values, size.width, size.height)


def _as_png(levels: npt.NDArray[np.uint8], scale: Output) -> EncodedMap:
    height, width = levels.shape
    return EncodedMap("png", "uint8", width, height, scale.minimum, scale.maximum, scale.unit, png(levels))


def _as_npz(name: str, values: Map | Mask, scale: Output) -> EncodedMap:
    height, width = values.shape
    data = npz(name, values)
    return EncodedMap("npz", values.dtype.name, width, height, scale.minimum, scale.maximum, scale.unit, data)


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """A grey picture (height, width) uint8 as a PNG file, four to seven times as fast as OpenCV's, and no larger.

    Each row as its difference to the one above (the filter «up», which maps suit), deflated by ISA-L.
    """
    height, width = pixels.shape
    rows = np.empty((height, width + 1), np.uint8)
    rows[:, 0] = _FILTER_UP
    rows[0, 1:] = pixels[0]
    np.subtract(pixels[1:], pixels[:-1], out=rows[1:, 1:])
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", isal_zlib.compress(rows, 1)), (b"IEND", b""))
    return _PNG_SIGNATURE + b"".join(piece for kind, data in chunks for piece in _chunk(kind, data))


def _chunk(kind: bytes, data: bytes) -> tuple[bytes, ...]:
    checksum = isal_zlib.crc32(data, isal_zlib.crc32(kind))
    return struct.pack(">I", len(data)), kind, data, struct.pack(">I", checksum)


def npz(name: str, values: Map | Mask) -> bytes:
    """An array under a name as an .npz file; stored, since deflating floats takes longer than the model and saves a third.

    A zip of one file, as numpy writes it but for the checksum by ISA-L: zlib's takes more than twice as long as all the rest.
    """
    stream, file = io.BytesIO(), f"{name}.npy".encode()
    np.save(stream, values)
    data = stream.getvalue()
    # Version, flags, method, time, date (the first of 1980), checksum, both sizes, length of the name, length of what is extra.
    about = struct.pack("<5H3I2H", 20, 0, 0, 0, 0x21, isal_zlib.crc32(data), len(data), len(data), len(file), 0)
    entry = struct.pack("<4sH", b"PK\1\2", 20) + about + bytes(14) + file
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, len(entry), 4 + len(about) + len(file) + len(data), 0)
    return b"".join((b"PK\3\4", about, file, data, entry, end))


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG or PNG file and its size in pixels."""

    width: int
    height: int
    data: bytes
    encoding: PictureEncoding = "jpeg"

    @property
    def suffix(self) -> str:
        """Of the file's name: `.jpg` or `.png`."""
        return _FILE[self.encoding][0]


def overlay(frame: RGB, mask: Mask, encoding: PictureEncoding = "jpeg") -> Picture:
    """Draw the mask onto the frame, as a file; see `outlined`."""
    height, width = mask.shape
    return Picture(width, height, picture_file(outlined(frame, mask), encoding), encoding)


def outlined(frame: RGB, mask: Mask) -> RGB:
    """The frame with the mask tinted and outlined.

    Args:
        frame: (height, width, 3) uint8 RGB; left as it is.
        mask: (height, width) bool.
    """
    picture = _tinted(frame, mask)
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, outlines, -1, _EDGE, thickness=max(1, round(min(mask.shape) / 400)))
    return picture


def picture_file(pixels: RGB, encoding: PictureEncoding = "jpeg") -> bytes:
    """A picture (height, width, 3) uint8 RGB as a file."""
    suffix, parameters = _FILE[encoding]
    _, data = cv2.imencode(suffix, cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), parameters)
    return data.tobytes()


def _tinted(frame: RGB, mask: Mask) -> npt.NDArray[np.uint8]:
    picture = frame.copy()
    picture[mask] = ((1.0 - _TINT_SHARE) * frame[mask] + _TINT_SHARE * _TINT).astype(np.uint8)
    return picture
