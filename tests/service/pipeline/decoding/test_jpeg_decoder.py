"""A damaged JPEG file is answered and said to be damaged; a whole one never is."""

import io

import numpy as np
import pytest
from PIL import Image

from service import errors
from service.pipeline.decoding.decode import Limits, decode_frame
from tests.pictures import file_of, noisy
from tests.service.pipeline.decoding.test_jpeg_markers import ORDINARY

LIMITS = Limits(1_000_000)
FRAME = noisy(2, 200, 150)
BODY = file_of(FRAME, "JPEG")
WAYS = {"baseline": {}, "progressive": {"progressive": True}, "restarts": {"restart_marker_rows": 1}}


def with_gap(body: bytes, start: float, length: int, filling: bytes = b"") -> bytes:
    at = body.index(b"\xff\xda") + int(start * (len(body) - body.index(b"\xff\xda")))
    return body[:at] + filling * length + body[at + length :]


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("name", ORDINARY)
def test_an_ordinary_file_is_not_damaged(name):
    frame = decode_frame(ORDINARY[name], LIMITS)
    assert not frame.damaged
    expected = Image.open(io.BytesIO(ORDINARY[name])).convert("RGB")
    np.testing.assert_array_equal(frame.pixels, np.asarray(expected))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("filling", [b"", b"\0", b"\x55"], ids=["hole", "zeros", "other bytes"])
@pytest.mark.parametrize("start", [0.1, 0.3])
def test_a_file_with_a_gap_and_a_good_end_is_damaged(way, filling, start):
    body = with_gap(file_of(FRAME, "JPEG", **WAYS[way]), start, 1_000, filling)
    frame = decode_frame(body, LIMITS)
    assert frame.damaged
    assert frame.pixels.shape == (150, 200, 3)


@pytest.mark.parametrize("missing_bytes", [1, 2])
@pytest.mark.parametrize("way", WAYS)
def test_a_file_that_lacks_only_its_last_marker_is_answered_and_flagged(way, missing_bytes):
    body = file_of(FRAME, "JPEG", **WAYS[way])
    frame = decode_frame(body[:-missing_bytes], LIMITS)
    assert frame.damaged
    np.testing.assert_array_equal(frame.pixels, decode_frame(body, LIMITS).pixels)


@pytest.mark.parametrize("missing_bytes", [10, 100, 5_000])
def test_a_file_that_lacks_pixels_is_refused(missing_bytes):
    with pytest.raises(errors.FrameBroken, match="cut"):
        decode_frame(BODY[:-missing_bytes], LIMITS)


def test_a_few_bytes_before_the_end_cost_no_pixel():
    assert not decode_frame(BODY[:-2] + bytes(4) + BODY[-2:], LIMITS).damaged
    assert decode_frame(BODY[:-2] + bytes(400) + BODY[-2:], LIMITS).damaged


@pytest.mark.parametrize("picture_format", ["PNG", "WEBP"])
def test_other_formats_are_whole_or_refused(picture_format):
    assert not decode_frame(file_of(FRAME, picture_format), LIMITS).damaged


@pytest.mark.parametrize("numbering", [b"\1\2", b"\0\1", b""], ids=["one of two", "none of one", "none"])
def test_a_broken_colour_profile_costs_nothing(numbering):
    profile = b"ICC_PROFILE\0" + numbering + bytes(100)
    body = BODY[:2] + b"\xff\xe2" + (len(profile) + 2).to_bytes(2, "big") + profile + BODY[2:]
    frame = decode_frame(body, LIMITS)
    assert not frame.damaged
    np.testing.assert_array_equal(frame.pixels, decode_frame(BODY, LIMITS).pixels)
