import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from service import errors
from service.pipeline.decoding.decode import Limits, decode
from tests.pictures import file_of, noisy, plain

LIMITS = Limits(pixels_max=1_000_000)
FRAME = noisy(1, 40, 24)
LOSSLESS = {"PNG": {}, "WEBP": {"lossless": True}}


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, depth: int = 8, colour: int = 2, pixels: bytes = b"") -> bytes:
    """A PNG file by hand: its header may promise anything."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


@pytest.mark.parametrize("picture_format", LOSSLESS)
def test_a_lossless_file_comes_back_bit_for_bit(picture_format):
    body = file_of(FRAME, picture_format, **LOSSLESS[picture_format])
    np.testing.assert_array_equal(decode(body, LIMITS), FRAME)


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_a_jpeg_comes_back_as_pillow_decodes_it(options):
    body = file_of(FRAME, "JPEG", **options)
    np.testing.assert_array_equal(decode(body, LIMITS), np.asarray(Image.open(io.BytesIO(body))))


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("RGB", (200, 100, 50)),
        ("RGBA", (200, 100, 50)),
        ("P", (200, 100, 50)),
        ("L", (124, 124, 124)),  # 0.299 R + 0.587 G + 0.114 B
        ("LA", (124, 124, 124)),
        ("1", (255, 255, 255)),
    ],
)
def test_every_way_to_store_a_pixel_has_one_meaning(mode, expected):
    image = Image.fromarray(plain(200, 100, 50))
    converted = Image.new("1", image.size, 1) if mode == "1" else image.convert(mode, palette=Image.Palette.ADAPTIVE)
    decoded = decode(file_of(converted), LIMITS)
    np.testing.assert_array_equal(decoded, np.broadcast_to(np.array(expected, np.uint8), (32, 32, 3)))


def test_a_transparent_pixel_keeps_the_colour_it_was_written_with():
    frame = Image.fromarray(np.full((32, 32, 4), (200, 100, 50, 0), dtype=np.uint8))
    assert decode(file_of(frame), LIMITS)[3, 4].tolist() == [200, 100, 50]


def test_a_palette_with_transparent_entries_is_decoded():
    image = Image.fromarray(plain(200, 100, 50)).convert("P", palette=Image.Palette.ADAPTIVE)
    assert decode(file_of(image, transparency=b"\x00\x80"), LIMITS)[0, 0].tolist() == [200, 100, 50]


def test_a_cmyk_jpeg_is_decoded_to_the_colour_it_shows():
    body = file_of(Image.fromarray(plain(200, 100, 50)).convert("CMYK"), "JPEG", quality=95)
    assert np.abs(decode(body, LIMITS).astype(int) - (200, 100, 50)).max() <= 3


def test_sixteen_bit_grey_keeps_its_high_byte():
    body = file_of(Image.fromarray(np.full((32, 32), 0x80FF, dtype=np.uint16)))
    assert decode(body, LIMITS)[0, 0].tolist() == [0x80, 0x80, 0x80]


def test_sixteen_bit_colour_keeps_its_high_byte():
    row = b"\x00" + bytes([0x80, 0xFF, 0x40, 0xFF, 0x20, 0xFF]) * 32
    assert decode(png(32, 32, depth=16, pixels=row * 32), LIMITS)[0, 0].tolist() == [0x80, 0x40, 0x20]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("picture_format", ["PNG", "WEBP", "JPEG"])
def test_each_exif_orientation_is_applied_once_as_pillow_applies_it(orientation, picture_format):
    exif = Image.Exif()
    exif[0x0112] = orientation
    body = file_of(FRAME, picture_format, exif=exif)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(body)))
    assert expected.size == ((40, 24) if orientation < 5 else (24, 40))
    np.testing.assert_array_equal(decode(body, LIMITS), np.asarray(expected))


def test_an_exif_block_that_is_no_block_leaves_the_frame_as_it_is():
    body = file_of(FRAME)
    text = chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n10\nno digits"))
    np.testing.assert_array_equal(decode(body[:33] + text + body[33:], LIMITS), FRAME)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_unknown_orientation_leaves_the_frame_as_it_is(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    np.testing.assert_array_equal(decode(file_of(FRAME, exif=exif), LIMITS), FRAME)


def test_an_exif_block_that_cannot_be_written_again_still_turns_the_frame():
    pointer_to_no_number = struct.pack(">HHL4s", 0xA005, 7, 4, b"nope")
    entries = struct.pack(">HHLHH", 0x0112, 3, 1, 6, 0) + pointer_to_no_number
    block = b"Exif\x00\x00MM\x00*" + struct.pack(">LH", 8, 2) + entries + bytes(4)
    body = file_of(FRAME, exif=block)
    with pytest.raises(struct.error):
        ImageOps.exif_transpose(Image.open(io.BytesIO(body)))
    np.testing.assert_array_equal(decode(body, LIMITS), np.rot90(FRAME, -1))


@pytest.mark.filterwarnings("ignore:.*EXIF.*", "ignore:Tag data larger than file")
def test_a_damaged_exif_block_does_not_cost_the_frame():
    damaged = b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\xff\xff" + b"\x01\x12\x00\x03" * 100
    assert decode(file_of(FRAME, "JPEG", exif=damaged), LIMITS).shape == (24, 40, 3)


def test_a_phone_jpeg_with_a_second_view_is_read_as_its_photograph():
    views = [Image.fromarray(plain(200, 100, 50)), Image.fromarray(plain(0, 0, 0))]
    body = file_of(views[0], "MPO", save_all=True, append_images=views[1:])
    assert np.abs(decode(body, LIMITS).astype(int) - (200, 100, 50)).max() <= 3


@pytest.mark.parametrize("picture_format", ["PNG", "WEBP"])
def test_an_animation_is_refused(picture_format):
    body = file_of(Image.fromarray(FRAME), picture_format, save_all=True, append_images=[Image.fromarray(255 - FRAME)])
    with pytest.raises(errors.FrameAnimated, match="found 2 frames"):
        decode(body, LIMITS)


@pytest.mark.parametrize("quarter", [0.25, 0.5, 0.75, 0.99])
@pytest.mark.parametrize("picture_format", ["JPEG", "PNG", "WEBP"])
def test_a_truncated_file_is_refused(picture_format, quarter):
    body = file_of(noisy(2, 200, 150), picture_format)
    with pytest.raises(errors.FrameBroken):
        decode(body[: int(len(body) * quarter)], LIMITS)


@pytest.mark.parametrize(
    ("picture_format", "missing_bytes"),
    [("JPEG", 4), ("JPEG", 12), ("PNG", 1), ("PNG", 4), ("PNG", 12), ("WEBP", 1), ("WEBP", 4), ("WEBP", 12)],
)
def test_a_file_that_lacks_its_last_bytes_is_refused(picture_format, missing_bytes):
    with pytest.raises(errors.FrameBroken):
        decode(file_of(FRAME, picture_format)[:-missing_bytes], LIMITS)


def test_a_png_with_a_wrong_checksum_is_refused():
    body = bytearray(file_of(FRAME))
    body[len(body) // 2] ^= 1
    with pytest.raises(errors.FrameBroken):
        decode(bytes(body), LIMITS)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", errors.BodyEmpty),
        (b"\xff\xd8", errors.FormatUnsupported),
        (b"GIF89a" + bytes(100), errors.FormatUnsupported),
        (b"RIFF\x00\x00\x00\x00WAVE", errors.FormatUnsupported),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", errors.FormatUnsupported),
        (b"\xff\xd8\xff" + bytes(100), errors.FrameBroken),
        (b"\x89PNG\r\n\x1a\n", errors.FrameBroken),
        (b"RIFF\x00\x00\x00\x00WEBP", errors.FrameBroken),
        (png(0, 10), errors.FrameBroken),
        (png(50_000, 50_000), errors.FrameTooLarge),
        (png(2**31 - 1, 2**31 - 1), errors.FrameTooLarge),
        (png(9_600, 9_600), errors.FrameTooLarge),
        (png(1001, 1000), errors.FrameTooLarge),
        (png(1, 65_535), errors.FrameShapeExtreme),
        (png(7, 7), errors.FrameShapeExtreme),
        (png(210, 10), errors.FrameShapeExtreme),
    ],
)
def test_what_is_no_frame_is_refused_by_cause(body, error):
    with pytest.raises(error):
        decode(body, LIMITS)


def test_a_format_outside_the_three_is_never_tried():
    bitmap = file_of(FRAME, "BMP")
    with pytest.raises(errors.FormatUnsupported, match=r"b'BM.*expected a JPEG, PNG or WebP file"):
        decode(bitmap, LIMITS)


def test_a_refusal_shows_no_memory_address():
    with pytest.raises(errors.FrameBroken) as refusal:
        decode(png(0, 10), LIMITS)
    assert "0x" not in str(refusal.value)


def test_a_frame_just_inside_the_limits_is_decoded():
    limits = Limits(pixels_max=40 * 24, aspect_max=40 / 24, side_min_px=24)
    assert decode(file_of(FRAME), limits).shape == (24, 40, 3)


@pytest.mark.parametrize("kind", [b"zTXt", b"iCCP"])
def test_a_compression_bomb_beside_the_pixels_is_refused(kind):
    bomb = chunk(kind, b"a\x00\x00" + zlib.compress(bytes(50_000_000)))
    body = png(32, 32, pixels=(b"\x00" + bytes(96)) * 32)
    with pytest.raises(errors.FrameBroken):
        decode(body[:33] + bomb + body[33:], LIMITS)
