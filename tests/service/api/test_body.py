import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect

from service.api.body import boundary_of, cancel_on_disconnect, check_media_type, read_body, take_frame
from service.errors import (
    BodyEmpty,
    BodyTooLarge,
    BodyTooSlow,
    ClientGone,
    FormBroken,
    MediaTypeUnsupported,
    RequestError,
)


async def stream(*chunks: bytes, pause_s: float = 0.0) -> AsyncIterator[bytes]:
    for chunk in chunks:
        await asyncio.sleep(pause_s)
        yield chunk


def read(
    chunks: AsyncIterator[bytes], declared_bytes: int | None = None, max_bytes: int = 8, timeout_s: float = 5.0
) -> bytes:
    return asyncio.run(read_body(chunks, declared_bytes, max_bytes, timeout_s))


def test_chunks_are_joined_up_to_the_limit():
    assert read(stream(b"abc", b"", b"defgh")) == b"abcdefgh"


def test_a_body_is_counted_even_when_nothing_was_declared():
    with pytest.raises(BodyTooLarge, match="found more than 8 bytes"):
        read(stream(b"abcdefgh", b"i"))


def test_a_body_that_declares_too_much_is_not_read():
    async def unread() -> AsyncIterator[bytes]:
        raise AssertionError("read")
        yield b""

    with pytest.raises(BodyTooLarge, match="declared body of 9 bytes"):
        read(unread(), declared_bytes=9)


def test_a_body_that_declares_less_than_it_sends_is_counted():
    with pytest.raises(BodyTooLarge):
        read(stream(b"abcdefghi"), declared_bytes=3)


def test_no_bytes_are_no_frame():
    with pytest.raises(BodyEmpty):
        read(stream(b"", b""))


def test_a_body_that_dribbles_in_is_given_up():
    with pytest.raises(BodyTooSlow, match=r"incomplete after 0\.05 s"):
        read(stream(*[b"a"] * 8, pause_s=0.02), timeout_s=0.05)


def test_a_caller_who_leaves_in_mid_body_is_gone():
    async def cut() -> AsyncIterator[bytes]:
        yield b"abc"
        raise ClientDisconnect

    with pytest.raises(ClientGone, match="before the whole body"):
        read(cut())


@pytest.mark.parametrize(
    "declared",
    [
        *["image/jpeg", "IMAGE/PNG", "image/webp; q=1", "", "application/octet-stream", "image/jpg"],
        *["image/pjpeg", "binary/octet-stream"],
    ],
)
def test_a_picture_or_nothing_in_particular_may_be_declared(declared):
    check_media_type(declared)


@pytest.mark.parametrize("declared", ["text/plain", "image/gif", "multipart/form-data; boundary=x", "jpeg", "\x00"])
def test_anything_else_is_refused_with_what_is_expected(declared):
    with pytest.raises(MediaTypeUnsupported, match="expected one of image/jpeg, image/png, image/webp"):
        check_media_type(declared)


async def hang_up_after(delay_s: float) -> dict[str, str]:
    await asyncio.sleep(delay_s)
    return {"type": "http.disconnect"}


def test_work_is_done_while_the_caller_waits():
    async def work() -> int:
        return 42

    assert asyncio.run(cancel_on_disconnect(lambda: hang_up_after(5.0), work())) == 42


def test_work_is_cancelled_when_the_caller_hangs_up():
    cancelled = []

    async def work() -> None:
        try:
            await asyncio.sleep(5.0)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async def scenario() -> None:
        with pytest.raises(ClientGone):
            await cancel_on_disconnect(lambda: hang_up_after(0.01), work())
        await asyncio.sleep(0.01)
        assert cancelled == [True]

    asyncio.run(scenario())


def test_what_the_work_raises_reaches_the_caller():
    async def work() -> None:
        raise ZeroDivisionError

    async def scenario() -> None:
        with pytest.raises(ZeroDivisionError):
            await cancel_on_disconnect(lambda: hang_up_after(5.0), work())

    asyncio.run(scenario())


FRAME = b"--x\r\nContent-Disposition: form-data; name=frame; filename=a.png\r\nContent-Type: image/png\r\n\r\n"


def part(name: str = "frame", content: bytes = b"pixels", *headers: str) -> bytes:
    lines = [f'Content-Disposition: form-data; name="{name}"', *headers]
    return b"--x\r\n" + "\r\n".join(lines).encode() + b"\r\n\r\n" + content + b"\r\n"


END = b"--x--\r\n"


def test_the_content_of_the_part_is_taken_byte_by_byte():
    content = bytes(range(256)) * 1000 + b"\r\n--xx\r\n--\r\n"
    assert take_frame(FRAME + content + b"\r\n" + END, b"x") == content


@pytest.mark.parametrize("name", ["frame", "file", "image"])
def test_a_part_may_have_the_names_that_upload_clients_give_it(name):
    assert take_frame(part(name) + END, b"x") == b"pixels"


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
