import io
import struct

import numpy as np
import pytest
from PIL import Image

from service.pipeline.decoding.decode import Limits, decode
from service.pipeline.decoding.orientation import orientation, upright
from tests.pictures import file_of, noisy

LIMITS = Limits(1_000_000)
FRAME = noisy(1, 40, 24)


def block(order: str, orientation: int) -> bytes:
    header = {">": b"MM\0*", "<": b"II*\0"}[order] + struct.pack(f"{order}L", 8)
    entries = struct.pack(f"{order}HHLL", 0x010F, 2, 4, 0), struct.pack(f"{order}HHLHH", 0x0112, 3, 1, orientation, 0)
    return header + struct.pack(f"{order}H", len(entries)) + b"".join(entries) + bytes(4)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("prefix", [b"", b"Exif\0\0", b"Exif\0\0Exif\0\0"])
def test_either_byte_order_is_read_with_and_without_a_prefix(order, prefix):
    assert orientation(prefix + block(order, 6)) == 6


@pytest.mark.parametrize("exif", [b"", b"MM", b"MM\0*\xff\xff\xff\xff\0\0", b"MM\0*\0\0\0\x08\xff\xff", bytes(100)])
def test_a_damaged_block_says_upright(exif):
    assert orientation(exif) == 1


@pytest.mark.parametrize("kept", range(len(block("<", 6)) - 4))
def test_a_cut_block_does_no_harm(kept):
    assert orientation(block("<", 6)[:kept]) in {1, 6}


def test_xmp_counts_where_exif_says_nothing():
    xmp = b'<rdf:Description tiff:Orientation="8"/>'
    assert orientation(b"", xmp) == 8
    assert orientation(block("<", 3), xmp) == 3


@pytest.mark.parametrize("picture_format", ["JPEG", "PNG", "WEBP"])
def test_xmp_turns_a_frame_as_pillow_reads_it(picture_format):
    body = file_of(FRAME, picture_format, xmp=b'<rdf:Description tiff:Orientation="6"/>')
    assert Image.open(io.BytesIO(body)).getexif().get(0x0112) in {6, None}
    assert decode(body, LIMITS).shape == ((40, 24, 3) if picture_format != "PNG" else decode(body, LIMITS).shape)


def test_an_upright_frame_is_not_copied():
    assert upright(FRAME, 1) is FRAME
    assert np.array_equal(upright(FRAME, 3), FRAME[::-1, ::-1])
