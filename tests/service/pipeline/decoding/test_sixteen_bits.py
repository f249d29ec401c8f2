"""16-bit grey and colour by their declared depth, never stretched by what it shows, never plain where the picture was not."""

import numpy as np
import pytest
from PIL import Image

from service import errors
from service.pipeline.decoding.decode import Limits, decode
from tests.pictures import file_of
from tests.service.pipeline.decoding.test_decode import chunk, png

LIMITS = Limits(1_000_000)


def grey(lowest: int, highest: int, significant: int | None = None) -> bytes:
    values = np.linspace(lowest, highest, 64 * 48).round().reshape(48, 64).astype(np.uint16)
    body = file_of(Image.fromarray(values))
    return body if significant is None else body[:33] + chunk(b"sBIT", bytes([significant])) + body[33:]


def colour(lowest: int, highest: int, channels: int, significant: int | None = None) -> bytes:
    """The same ramp as RGB (3), as RGB with full opacity (4), or as grey with it (2)."""
    ramp = np.linspace(lowest, highest, 64 * 48).round().reshape(48, 64, 1)
    opaque = np.full_like(ramp, 65_535)
    values = np.concatenate([ramp] * (1 if channels == 2 else 3) + [opaque] * (channels != 3), axis=2).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    body = png(64, 48, depth=16, colour={2: 4, 3: 2, 4: 6}[channels], pixels=rows)
    return body if significant is None else body[:33] + chunk(b"sBIT", bytes([significant] * channels)) + body[33:]


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
    with pytest.raises(errors.FrameModeUnsupported, match=r"found 16-bit values from .* expected values that fill"):
        decode(body, LIMITS)


@pytest.mark.parametrize("value", [0, 300, 30_000, 65_535])
def test_a_frame_of_one_tone_loses_nothing(value):
    assert levels(grey(value, value)) == (value >> 8, value >> 8)


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_colour_goes_by_the_same_depth_as_grey(channels):
    assert levels(colour(0, 65_535, channels)) == (0, 255)
    assert levels(colour(0, 16_383, channels, 14)) == (0, 255)


@pytest.mark.parametrize("channels", [2, 3, 4])
@pytest.mark.parametrize("highest", [8_000, 16_383])
def test_raw_thermal_values_written_as_colour_are_refused_too(highest, channels):
    with pytest.raises(errors.FrameModeUnsupported, match="found 16-bit values from 7000 to"):
        decode(colour(7_000, highest, channels), LIMITS)
