"""16-bit grey by its declared depth, never stretched by what it shows, never plain where the picture was not."""

import numpy as np
import pytest
from PIL import Image

from service import errors
from service.pipeline.decoding.decode import Limits, decode
from tests.pictures import file_of
from tests.service.pipeline.decoding.test_decode import chunk

LIMITS = Limits(1_000_000)


def grey(lowest: int, highest: int, significant: int | None = None) -> bytes:
    values = np.linspace(lowest, highest, 64 * 48).round().reshape(48, 64).astype(np.uint16)
    body = file_of(Image.fromarray(values))
    return body if significant is None else body[:33] + chunk(b"sBIT", bytes([significant])) + body[33:]


def levels(body: bytes) -> tuple[int, int]:
    pixels = decode(body, LIMITS)
    assert (pixels == pixels[..., :1]).all()
    return int(pixels.min()), int(pixels.max())


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (grey(0, 65_535), (0, 255)),
        (grey(20_000, 40_000), (78, 156)),
        (grey(0, 16_383, 14), (0, 255)),
        (grey(4_000, 12_001, 14), (62, 187)),
        (grey(0, 4_095, 12), (0, 255)),
        (grey(0, 1_023, 10), (0, 255)),
        (grey(0, 65_535, 14), (0, 255)),  # scaled up, as PNG wants it
        (grey(0, 65_535, 16), (0, 255)),
        (grey(0, 65_535, 3), (0, 255)),
    ],
)
def test_the_depth_that_the_file_declares_is_what_white_means(body, expected):
    assert levels(body) == expected


def test_small_values_that_were_scaled_up_stay_dark():
    dark = (np.linspace(0, 4_095, 64 * 48).round().reshape(48, 64).astype(np.uint16)) << 2
    body = file_of(Image.fromarray(dark))
    assert levels(body[:33] + chunk(b"sBIT", b"\x0e") + body[33:]) == (0, 63)


@pytest.mark.parametrize(
    "body",
    [
        grey(7_000, 8_000),
        grey(7_000, 8_000, 14),
        grey(0, 16_383),
        grey(0, 4_095),
        grey(30_000, 33_000),
        grey(0, 255),
        grey(40_000, 43_000, 16),
    ],
)
def test_a_picture_of_which_the_high_byte_would_leave_nothing_is_refused_in_words(body):
    with pytest.raises(errors.FrameModeUnsupported, match=r"found 16-bit grey from .* expected values that fill"):
        decode(body, LIMITS)


@pytest.mark.parametrize("value", [0, 300, 30_000, 65_535])
def test_a_frame_of_one_tone_loses_nothing(value):
    assert levels(grey(value, value)) == (value >> 8, value >> 8)
