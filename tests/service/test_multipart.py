import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.body import boundary_of, take_frame
from service.errors import BodyEmpty, FormBroken, MediaTypeUnsupported, RequestError

FRAME = b"--x\r\nContent-Disposition: form-data; name=frame; filename=a.png\r\nContent-Type: image/png\r\n\r\n"


def part(name: str = "frame", content: bytes = b"pixels", *headers: str) -> bytes:
    lines = [f'Content-Disposition: form-data; name="{name}"', *headers]
    return b"--x\r\n" + "\r\n".join(lines).encode() + b"\r\n\r\n" + content + b"\r\n"


END = b"--x--\r\n"


def test_the_content_of_the_part_is_taken_byte_by_byte():
    content = bytes(range(256)) * 1000 + b"\r\n--xx\r\n--\r\n"
    assert take_frame(FRAME + content + b"\r\n" + END, b"x") == content


@given(st.binary(min_size=1, max_size=300_000))
def test_no_content_is_changed(content):
    if b"\r\n--x" not in content:
        assert take_frame(part(content=content) + END, b"x") == content


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "without its end"),
        (part(), "without its end"),
        (FRAME + b"pixels", "without its end"),
        (b"no form at all", "not well formed"),
        (part("camera", b"ridge") + END, "found a part named b'camera', expected 'frame'"),
        (b"--x\r\n\r\npixels\r\n" + END, "found a part named b''"),
        (part() + part() + END, "found more than one part"),
        (part() + part("camera_id", b"ridge") + END, "found more than one part"),
        (b"".join(part() for _ in range(1000)) + END, "found more than one part"),
        (part("frame", b"pixels", *(f"X-{number}: a" for number in range(100))) + END, "not well formed"),
        (part("frame", b"pixels", "X-Long: " + "a" * 100_000) + END, "not well formed"),
    ],
)
def test_a_form_that_is_not_one_frame_is_refused_in_words(body, words):
    with pytest.raises(FormBroken, match=words):
        take_frame(body, b"x")


def test_an_empty_part_is_no_frame():
    with pytest.raises(BodyEmpty):
        take_frame(part(content=b"") + END, b"x")


def test_a_part_declared_as_something_else_is_refused():
    with pytest.raises(MediaTypeUnsupported):
        take_frame(part("frame", b"pixels", "Content-Type: text/html") + END, b"x")


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=x", b"x"),
        ('Multipart/Form-Data; charset=utf-8; boundary="a b"', b"a b"),
        ("image/png", None),
        ("", None),
        ("multipart/mixed; boundary=x", None),
    ],
)
def test_a_form_is_told_by_its_content_type(content_type, boundary):
    assert boundary_of(content_type) == boundary


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary="])
def test_a_form_without_a_boundary_is_refused(content_type):
    with pytest.raises(FormBroken, match="without a boundary"):
        boundary_of(content_type)


def test_a_boundary_that_is_too_long_is_refused():
    with pytest.raises(FormBroken):
        take_frame(part() + END, b"x" * 1000)


@given(st.binary(max_size=400), st.integers(0, 400))
def test_no_damage_to_a_form_gives_anything_but_a_refusal_or_a_frame(noise, place):
    whole = part(content=b"p" * 200) + END
    try:
        take_frame(whole[:place] + noise + whole[place + len(noise) :], b"x")
    except RequestError:
        return
