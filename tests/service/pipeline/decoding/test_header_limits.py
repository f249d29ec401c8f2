"""What a PNG or WebP file may cost is told from its chunks, without a pixel decoded; ordinary pictures pass."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from service import errors
from service.pipeline.decoding.decode import Limits, decode
from service.pipeline.decoding.header_limits import METADATA_CHUNKS_MAX, PNG_CHUNKS_MAX, PngStructure, check_webp
from service.pipeline.decoding.jpeg_markers import METADATA_BYTES_MAX
from tests.cpu_time import least_cpu_s
from tests.pictures import file_of, noisy
from tests.service.pipeline.decoding.test_decode import chunk, png

LIMITS = Limits(40_000_000)
FRAME = noisy(1, 64, 48)
PNG, WEBP = file_of(FRAME), file_of(FRAME, "WEBP")
RAW = b"".join(b"\0" + row.tobytes() for row in FRAME)


def in_png(*chunks: bytes) -> bytes:
    return PNG[:33] + b"".join(chunks) + PNG[33:]


def in_webp(*chunks: bytes) -> bytes:
    body = WEBP + b"".join(chunks)
    return body[:4] + struct.pack("<I", len(body) - 8) + body[8:]


def webp_chunk(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def texts(count: int) -> PngImagePlugin.PngInfo:
    told = PngImagePlugin.PngInfo()
    for number in range(count):
        told.add_text(f"key {number}", "value", zip=True)
    return told


def interlaced() -> bytes:
    """Grey, all of one tone, in seven passes."""
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    rows = b"".join(
        (b"\0" + b"\x5a" * len(range(x, 64, right))) * len(range(y, 48, down)) for x, y, right, down in passes
    )
    header = struct.pack(">IIBBBBB", 64, 48, 8, 0, 0, 0, 1)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


ORDINARY = {
    "png": PNG,
    "png by opencv": cv2.imencode(".png", FRAME)[1].tobytes(),
    "png, 16-bit grey": file_of(Image.fromarray(np.linspace(0, 65_535, 64 * 48).reshape(48, 64).astype(np.uint16))),
    "png, 16-bit colour": png(64, 48, depth=16, pixels=(b"\0" + bytes(range(128)) * 3) * 48),
    "png, interlaced": interlaced(),
    "png with a profile": file_of(FRAME, icc_profile=bytes(400_000)),
    "png with texts": file_of(FRAME, pnginfo=texts(20)),
    "webp": WEBP,
    "webp, lossless": file_of(FRAME, "WEBP", lossless=True),
    "webp, alpha": file_of(Image.fromarray(FRAME).convert("RGBA"), "WEBP"),
    "webp with a profile": file_of(FRAME, "WEBP", icc_profile=bytes(400_000), exif=b"Exif\0\0MM\0*"),
    "webp by opencv": cv2.imencode(".webp", FRAME)[1].tobytes(),
}


@pytest.mark.parametrize("name", ORDINARY)
def test_what_cameras_write_passes(name):
    assert decode(ORDINARY[name], LIMITS).shape == (48, 64, 3)


def test_an_interlaced_png_is_its_picture():
    assert (decode(interlaced(), LIMITS) == 0x5A).all()


BOMB = chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(1_000_000)))


@pytest.mark.parametrize(
    "body",
    [
        in_png(*[chunk(b"IDAT", b"")] * PNG_CHUNKS_MAX),
        in_png(*[chunk(b"teSt", b"")] * (METADATA_CHUNKS_MAX + 1)),
        in_png(*[BOMB] * (METADATA_CHUNKS_MAX + 1)),
        in_png(chunk(b"teSt", bytes(METADATA_BYTES_MAX + 1))),
        file_of(FRAME, pnginfo=texts(METADATA_CHUNKS_MAX + 1)),
        in_webp(*[webp_chunk(b"teSt", b"")] * (METADATA_CHUNKS_MAX + 1)),
        in_webp(webp_chunk(b"teSt", bytes(METADATA_BYTES_MAX + 1))),
    ],
    ids=["pixels in crumbs", "chunks", "profiles", "a large chunk", "texts", "webp chunks", "a large webp chunk"],
)
def test_a_file_of_too_much_beside_its_pixels_is_refused_at_once(body):
    def refused() -> None:
        with pytest.raises(errors.FrameTooLarge, match="expected at most"):
            decode(body, LIMITS)

    assert least_cpu_s(refused) < 0.1


def test_pixels_that_unpack_to_far_more_than_the_header_says_stop_at_what_it_says():
    body = png(64, 48, pixels=RAW + bytes(200_000_000))
    np.testing.assert_array_equal(decode(body, LIMITS), FRAME)
    assert least_cpu_s(lambda: decode(body, LIMITS)) < 0.3


def test_what_lies_behind_the_end_is_left_alone():
    PngStructure.read(PNG + chunk(b"teSt", b"") * 1_000)
    check_webp(WEBP + webp_chunk(b"teSt", b"") * 1_000)


@pytest.mark.parametrize("kept", [8, 20, 33, 40])
def test_a_cut_file_is_read_as_far_as_it_goes(kept):
    PngStructure.read(PNG[:kept])
    check_webp(WEBP[:kept])


def test_the_depth_and_how_much_of_it_is_used_are_told():
    assert PngStructure.read(PNG) == PngStructure(8, 8)
    assert PngStructure.read(in_png(chunk(b"sBIT", b"\x05\x06\x05"))) == PngStructure(8, 6)
