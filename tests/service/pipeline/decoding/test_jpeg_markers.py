"""What a JPEG file may cost is told from its markers, without a pixel decoded; ordinary pictures pass."""

import struct

import cv2
import numpy as np
import pytest
from PIL import Image

from service import errors
from service.pipeline.decoding.decode import Limits, decode
from service.pipeline.decoding.jpeg_markers import (
    MARKERS_MAX,
    METADATA_BYTES_MAX,
    SCANS_MAX,
    STRAY_BYTES_MAX,
    JpegStructure,
)
from tests.cpu_time import least_cpu_s
from tests.pictures import file_of, noisy, plain

PIXELS_MAX = 40_000_000
PROGRESSIVE = file_of(plain(90, 90, 90, 640, 480), "JPEG", progressive=True)
SCANS = 10
BASELINE = file_of(noisy(1, 64, 48), "JPEG")


def read(body: bytes, pixels_max: int = PIXELS_MAX) -> JpegStructure:
    return JpegStructure.read(body, pixels_max)


def segment(code: int, data: bytes) -> bytes:
    return bytes([0xFF, code]) + struct.pack(">H", len(data) + 2) + data


def with_header(*parts: bytes) -> bytes:
    return BASELINE[:2] + b"".join(parts) + BASELINE[2:]


def with_scans(more: int) -> bytes:
    """The last scan, which refines some bits, so many times more."""
    last = PROGRESSIVE[PROGRESSIVE.rindex(b"\xff\xda") : -2]
    return PROGRESSIVE[:-2] + more * last + b"\xff\xd9"


def opencv(*options: int) -> bytes:
    return cv2.imencode(".jpg", noisy(1, 64, 48), options)[1].tobytes()


ORDINARY = {
    "baseline": BASELINE,
    "progressive": file_of(noisy(1, 64, 48), "JPEG", progressive=True),
    "restart markers": file_of(noisy(1, 64, 48), "JPEG", restart_marker_blocks=1),
    "progressive with restart markers": file_of(noisy(1, 64, 48), "JPEG", progressive=True, restart_marker_rows=1),
    "grey": file_of(Image.fromarray(noisy(1, 64, 48)).convert("L"), "JPEG"),
    "cmyk": file_of(Image.fromarray(noisy(1, 64, 48)).convert("CMYK"), "JPEG"),
    "opencv": opencv(),
    "opencv, progressive, optimised": opencv(cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_OPTIMIZE, 1),
    "a profile of 400 KB": file_of(noisy(1, 64, 48), "JPEG", icc_profile=bytes(400_000)),
    "exif with a preview": file_of(noisy(1, 64, 48), "JPEG", exif=b"Exif\0\0II*\0" + BASELINE * 5),
    "a second view behind": file_of(
        Image.fromarray(noisy(1, 64, 48)), "MPO", save_all=True, append_images=[Image.fromarray(noisy(2, 64, 48))]
    ),
    "raw thermal values of 1.5 MB": with_header(*[segment(0xE1, b"FLIR\0" + bytes(65_000))] * 24),
    "a few fill bytes": with_header(b"\xff" * 512),
    "bytes behind the end": BASELINE + b"\xff\xe1" * 100_000,
}


@pytest.mark.parametrize("name", ORDINARY)
def test_what_cameras_write_passes(name):
    found = read(ORDINARY[name])
    assert (found.width, found.height, found.ended) == (64, 48, True)
    assert found.scans == (SCANS if "progressive" in name and "grey" not in name else 1)
    assert decode(ORDINARY[name], Limits(PIXELS_MAX)).shape == (48, 64, 3)


def test_a_small_frame_may_have_more_scans_than_a_large_one():
    body, pixels = with_scans(40), 640 * 480
    assert read(body).scans == SCANS + 40
    assert read(body, 4 * pixels).scans == SCANS + 40
    with pytest.raises(errors.FrameTooLarge, match="more than 48 scans of 640 x 480 pixels"):
        read(body, 3 * pixels)


@pytest.mark.parametrize("more", [SCANS_MAX - SCANS + 1, 17_000])
def test_a_file_of_very_many_scans_is_refused_before_a_pixel_is_decoded(more):
    body = with_scans(more)

    def refused() -> None:
        with pytest.raises(errors.FrameTooLarge, match="scans"):
            decode(body, Limits(PIXELS_MAX))

    assert least_cpu_s(refused) < 0.1


def test_scans_cannot_hide_behind_a_marker_that_no_file_has():
    hidden = segment(0x02, with_scans(17_000)[len(PROGRESSIVE) : len(PROGRESSIVE) + 60_000])
    at = len(PROGRESSIVE) - 2
    with pytest.raises(errors.FrameTooLarge, match="scans"):
        read(PROGRESSIVE[:at] + hidden + PROGRESSIVE[at:])


@pytest.mark.parametrize(
    ("parts", "error"),
    [
        ([b"\xff" * 4_000_000], errors.FrameBroken),
        ([b"\xff\x00" * STRAY_BYTES_MAX], errors.FrameBroken),
        ([b"\xff\xd0" * STRAY_BYTES_MAX], errors.FrameBroken),
        ([b"\xff\x01" * STRAY_BYTES_MAX], errors.FrameBroken),
        ([segment(0xFE, b"")] * MARKERS_MAX, errors.FrameTooLarge),
        ([segment(0xDB, b"")] * MARKERS_MAX, errors.FrameTooLarge),
        ([segment(0xE1, bytes(65_000))] * (METADATA_BYTES_MAX // 65_000 + 1), errors.FrameTooLarge),
        ([segment(0xFE, bytes(65_000))] * (METADATA_BYTES_MAX // 65_000 + 1), errors.FrameTooLarge),
    ],
)
def test_a_header_without_end_is_refused_at_once(parts, error):
    body = with_header(b"\xff\xe0\x00\x02", *parts)

    def refused() -> None:
        with pytest.raises(error):
            decode(body, Limits(PIXELS_MAX))

    assert least_cpu_s(refused) < 0.3


def test_exif_that_names_the_same_bytes_over_and_over_costs_no_time_and_no_memory():
    entry = struct.pack(">HHL4s", 0x9999, 7, 60_000, b"\0\0\0\x08")
    block = b"Exif\0\0MM\0*" + struct.pack(">LH", 8, 5_400) + entry * 5_400
    for body in (with_header(*[segment(0xE1, block)] * 12), file_of(noisy(1, 64, 48), exif=block)):
        assert decode(body, Limits(PIXELS_MAX)).shape == (48, 64, 3)
        assert least_cpu_s(lambda body=body: decode(body, Limits(PIXELS_MAX))) < 0.2


def test_a_large_ordinary_file_is_looked_through_in_a_moment():
    body = file_of(noisy(1, 2000, 1500), "JPEG", quality=95)
    assert least_cpu_s(lambda: read(body)) < 0.05, len(body)


@pytest.mark.parametrize("kept", [3, 20, 200, 1_000])
def test_a_cut_file_is_read_as_far_as_it_goes(kept):
    assert not read(BASELINE[:kept]).ended


def test_a_frame_without_a_size_is_refused():
    at = BASELINE.index(b"\xff\xc0") + 5
    with pytest.raises(errors.FrameBroken, match="size"):
        decode(BASELINE[:at] + bytes(4) + BASELINE[at + 4 :], Limits(PIXELS_MAX))


def test_a_second_frame_header_cannot_take_the_place_of_one_that_promises_too_much():
    large = file_of(plain(90, 90, 90, 640, 480), "JPEG")
    start = BASELINE.index(b"\xff\xc0")
    small_header = BASELINE[start : start + 2 + int.from_bytes(BASELINE[start + 2 : start + 4], "big")]
    with pytest.raises(errors.FrameBroken, match="found a JPEG file with two frame headers"):
        decode(large[:-2] + small_header + large[-2:], Limits(64 * 48))


def test_noise_is_never_more_than_refused():
    generator = np.random.default_rng(3)
    for _ in range(200):
        body = b"\xff\xd8\xff" + generator.integers(0, 256, 5_000, dtype=np.uint8).tobytes()
        with pytest.raises(errors.RequestError):
            decode(body, Limits(PIXELS_MAX))
