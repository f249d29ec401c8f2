"""Bodies meant to hurt: each gets a chosen answer, none a 5xx, and the service answers a good frame afterwards."""

import gc
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.pictures import file_of, noisy, plume
from tests.service.pipeline.decoding.test_decode import chunk, png

GOOD = {picture_format: file_of(noisy(9, 96, 64), picture_format) for picture_format in ("JPEG", "PNG", "WEBP")}
PROGRESSIVE = file_of(noisy(9, 96, 64), "JPEG", progressive=True)
HEAD, REST = GOOD["PNG"][:33], GOOD["PNG"][33:]
ROWS = (b"\x00" + bytes(96)) * 32


def webp(*chunks: tuple[bytes, bytes]) -> bytes:
    parts = b"".join(kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for kind, data in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(parts)) + b"WEBP" + parts


def canvas(width: int, height: int, flags: int = 0) -> tuple[bytes, bytes]:
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"VP8X", bytes([flags, 0, 0, 0]) + sides


def jpeg_of_size(width: int, height: int) -> bytes:
    """A JPEG whose header was made to promise another size."""
    body = bytearray(GOOD["JPEG"])
    at = body.index(b"\xff\xc0") + 5
    body[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(body)


def with_exif(orientation: int, padding_bytes: int = 0) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = "x" * padding_bytes
    return file_of(noisy(1), "WEBP", exif=exif)


def animation(picture_format: str) -> bytes:
    frames = [Image.fromarray(noisy(seed)) for seed in range(3)]
    return file_of(frames[0], picture_format, save_all=True, append_images=frames[1:])


def stored_as(mode: str, picture_format: str = "PNG") -> bytes:
    if mode == "I;16":
        return file_of(Image.fromarray(noisy(1)[..., 0].astype(np.uint16) * 257))
    return file_of(Image.fromarray(noisy(1)).convert(mode), picture_format)


REFUSED = {
    "nothing": (b"", 400),
    "one zero byte": (b"\x00", 415),
    "text": (b"smoke on the ridge", 415),
    "json": (b'{"image": "..."}', 415),
    "html": (b"<html><script>alert(1)</script></html>", 415),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>", 415),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n(/etc/passwd) (r) file", 415),
    "pdf": (b"%PDF-1.7\n", 415),
    "zip": (b"PK\x03\x04" + bytes(100), 415),
    "gzip": (zlib.compress(GOOD["PNG"]), 415),
    "gif": (file_of(noisy(), "GIF"), 415),
    "bmp": (file_of(noisy(), "BMP"), 415),
    "tiff": (file_of(noisy(), "TIFF"), 415),
    "jpeg 2000": (b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(100), 415),
    "a png one byte late": (b" " + GOOD["PNG"], 415),
    "the jpeg magic alone": (b"\xff\xd8\xff", 422),
    "the png magic alone": (b"\x89PNG\r\n\x1a\n", 422),
    "the webp magic alone": (b"RIFF\x04\x00\x00\x00WEBP", 422),
    "jpeg magic, then png": (b"\xff\xd8\xff" + GOOD["PNG"], 422),
    "jpeg magic, then zeros": (b"\xff\xd8\xff" + bytes(10_000), 422),
    "jpeg magic, then 0xff": (b"\xff" + b"\xd8" + b"\xff" * 10_000, 422),
    "png pixel bomb": (png(50_000, 50_000), 413),
    "png pixel bomb, one bit": (png(60_000, 60_000, depth=1, colour=0), 413),
    "png of 2^31 pixels a side": (png(2**31 - 1, 2**31 - 1), 413),
    "png just past the budget": (png(6_325, 6_325), 413),
    "jpeg pixel bomb": (jpeg_of_size(65_000, 65_000), 413),
    "webp canvas bomb": (webp(canvas(16_383, 16_383), (b"VP8 ", GOOD["WEBP"][20:])), 413),
    "webp canvas of 2^24 a side": (webp(canvas(2**24, 2**24), (b"VP8 ", GOOD["WEBP"][20:])), 413),
    "a line": (png(1, 65_535), 422),
    "a ribbon": (png(20_000, 900), 422),
    "a dot": (png(1, 1, pixels=bytes(4)), 422),
    "png without pixels": (png(0, 0), 422),
    "png of unknown depth": (png(32, 32, depth=7, pixels=ROWS), 422),
    "png of unknown colour": (png(32, 32, colour=5, pixels=ROWS), 422),
    "png with too few pixels": (png(2_000, 2_000, pixels=ROWS), 422),
    "png that lost its last pixels": (png(32, 32, pixels=ROWS[:-1]), 422),
    "png with a text bomb": (HEAD + chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**26))) + REST, 422),
    "png with a profile bomb": (HEAD + chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(2**26))) + REST, 422),
    "png without a header": (HEAD[:8] + REST, 422),
    "eight bits in sixteen": (file_of(Image.fromarray(noisy(1)[..., 0].astype(np.uint16))), 422),
    "a jpeg of fill bytes": (b"\xff\xd8" + b"\xff" * 2**20 + GOOD["JPEG"][2:], 422),
    "a jpeg of comments": (b"\xff\xd8" + b"\xff\xfe\x00\x02" * 2**18 + GOOD["JPEG"][2:], 413),
    "a jpeg of scans": (PROGRESSIVE[:-2] + PROGRESSIVE[PROGRESSIVE.rindex(b"\xff\xda") : -2] * 17_000 + b"\xff\xd9", 413),
    "a png of crumbs": (HEAD + chunk(b"IDAT", b"") * 2**16 + REST, 413),
    "a png of notes": (HEAD + chunk(b"tEXt", b"a\0b") * 2**16 + REST, 413),
    "animated png": (animation("PNG"), 422),
    "animated webp": (animation("WEBP"), 422),
    **{
        f"{name.lower()} cut at {part} of 8": (body[: len(body) * part // 8], 422)
        for name, body in GOOD.items()
        for part in (2, 4, 6)
    },
}  # fmt: skip

ACCEPTED = {
    "png with a page behind it": GOOD["PNG"] + b"<script>alert(1)</script>",
    "jpeg with a zip behind it": GOOD["JPEG"] + b"PK\x03\x04" + bytes(1000),
    "png that unpacks to far more than its pixels": png(32, 32, pixels=ROWS + bytes(2**26)),
    "png with a chunk that promises 2^31 bytes": HEAD + struct.pack(">I", 2**31 - 1) + REST[4:],
    "a megabyte of exif": with_exif(6, 2**20),
    **{f"stored as {mode}": stored_as(mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")},
    **{f"stored as {mode}, jpeg": stored_as(mode, "JPEG") for mode in ("L", "CMYK")},
    "stored as RGBA, webp": stored_as("RGBA", "WEBP"),
    **{f"exif orientation {orientation}": with_exif(orientation) for orientation in range(10)},
    "all black": file_of(np.zeros((32, 32, 3), np.uint8)),
    "all white": file_of(np.full((32, 32, 3), 255, np.uint8)),
}


def post(client, body: bytes, query: str = "outputs=mask,overlay&resolution=frame"):
    return client.post(f"/segment?{query}", content=body, headers={"Content-Type": "image/jpeg"})


@pytest.mark.parametrize("name", REFUSED)
def test_a_hostile_body_is_refused_as_chosen(client, name):
    body, status = REFUSED[name]
    answer = post(client, body)
    assert answer.status_code == status, answer.text[:200]
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert post(client, GOOD["PNG"]).status_code == 200


@pytest.mark.parametrize("name", ACCEPTED)
def test_an_odd_but_whole_frame_is_answered(client, name):
    answer = post(client, ACCEPTED[name])
    assert answer.status_code == 200, answer.text[:200]
    assert set(answer.json()["maps"]) == {"mask"}


def test_the_corpus_is_not_small():
    assert len(REFUSED) + len(ACCEPTED) + len(FORMS) >= 90


FRAME = b"Content-Disposition: form-data; name=frame\r\n"
HEAD_OF_PART = b"--x\r\n" + FRAME
FORMS = {
    "a thousand parts": ((HEAD_OF_PART + b"\r\na\r\n") * 1000 + b"--x--\r\n", 400),
    "a part of another name": (b"--x\r\nContent-Disposition: form-data; name=camera\r\n\r\na\r\n--x--\r\n", 400),
    "a part without a name": (b"--x\r\n\r\na\r\n--x--\r\n", 400),
    "no part": (b"--x--\r\n", 400),
    "an empty part": (HEAD_OF_PART + b"\r\n\r\n--x--\r\n", 400),
    "an end that does not come": (HEAD_OF_PART + b"\r\n" + GOOD["PNG"], 400),
    "a raw frame": (GOOD["PNG"], 400),
    "a thousand headers": (HEAD_OF_PART + b"X: a\r\n" * 1000 + b"\r\n" + GOOD["PNG"] + b"\r\n--x--\r\n", 400),
    "a header of a megabyte": (HEAD_OF_PART + b"X: " + b"a" * 2**20 + b"\r\n\r\na\r\n--x--\r\n", 400),
    "a frame declared as a page": (HEAD_OF_PART + b"Content-Type: text/html\r\n\r\na\r\n--x--\r\n", 415),
    "a text": (HEAD_OF_PART + b"\r\nsmoke on the ridge\r\n--x--\r\n", 415),
    "a form in a form": (HEAD_OF_PART + b"\r\n--y\r\n" + FRAME + b"\r\na\r\n--y--\r\n--x--\r\n", 415),
    "half a frame": (HEAD_OF_PART + b"\r\n" + GOOD["PNG"][:99] + b"\r\n--x--\r\n", 422),
    "a path for a file name": (
        HEAD_OF_PART[:-2] + b"; filename=../../etc/passwd\r\n\r\n" + GOOD["PNG"] + b"\r\n--x--\r\n",
        200,
    ),
    "almost boundaries": (HEAD_OF_PART + b"\r\n" + GOOD["PNG"] + b"\r\n--y" * 2**16 + b"\r\n--x--\r\n", 200),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_hostile_form_gets_its_chosen_answer(client, name):
    body, status = FORMS[name]
    answer = client.post("/segment?outputs=", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert answer.status_code == status, answer.text[:200]


def test_a_corpus_leaves_no_memory_behind(client):
    """A second round over everything that was refused must not cost more than noise."""
    bodies = [body for body, _ in REFUSED.values()]

    def round_trip() -> int:
        for body in bodies:
            post(client, body)
        gc.collect()
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    round_trip()
    before_bytes = round_trip()
    assert round_trip() - before_bytes < 32 * 2**20


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(
    picture_format=st.sampled_from(sorted(GOOD)),
    places=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8),
    kept=st.floats(0.1, 1.0),
)
def test_no_damage_to_a_file_makes_the_service_fail(client, picture_format, places, kept):
    body = bytearray(GOOD[picture_format])
    for place, value in places:
        body[int(place * len(body))] = value
    answer = post(client, bytes(body[: int(kept * len(body))]))
    assert answer.status_code in {200, 413, 415, 422}, answer.text[:200]


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["camera_id", "captured_at", "outputs", "resolution", "threshold", "other"]), value=st.text()
)
def test_no_query_makes_the_service_fail(client, name, value):
    answer = client.post("/segment", params={name: value}, content=file_of(plume()))
    assert answer.status_code in {200, 422}, answer.text[:200]
