"""Frames whose answer is known, as arrays and as files."""

import io
from typing import Any

import numpy as np
from PIL import Image

from models.geometry import RGB


def file_of(frame: RGB | Image.Image, picture_format: str = "PNG", **options: Any) -> bytes:
    """A frame as a JPEG, PNG or WebP file."""
    image = frame if isinstance(frame, Image.Image) else Image.fromarray(frame)
    stream = io.BytesIO()
    image.save(stream, picture_format, **options)
    return stream.getvalue()


def plain(red: int, green: int, blue: int, width: int = 32, height: int = 32) -> RGB:
    """A frame of one colour."""
    return np.full((height, width, 3), (red, green, blue), dtype=np.uint8)


def noisy(seed: int = 0, width: int = 32, height: int = 32) -> RGB:
    """A frame in which every pixel differs."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def plume(width: int = 64, height: int = 48) -> RGB:
    """A frame with an upright band of smoke: red 204 (probability 0.8) in it, 26 (0.1) elsewhere."""
    frame = plain(26, 51, 128, width, height)
    frame[:, width // 4 : width // 2] = (204, 102, 51)
    return frame


def floats_of(data: bytes, name: str) -> np.ndarray:
    """The array of an .npz file that holds nothing else and is read without pickle."""
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        assert arrays.files == [name]
        return arrays[name]


def array_of(data: bytes) -> np.ndarray:
    """The pixels of a picture file."""
    return np.asarray(Image.open(io.BytesIO(data)))
