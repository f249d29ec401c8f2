import asyncio
from collections.abc import AsyncIterator

import pytest

from service.api.body import check_media_type, read_body, while_connected
from service.errors import BodyEmpty, BodyTooLarge, BodyTooSlow, ClientGone, MediaTypeUnsupported


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


@pytest.mark.parametrize(
    "declared", ["image/jpeg", "IMAGE/PNG", "image/webp; q=1", "", "application/octet-stream", "image/jpg"]
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

    assert asyncio.run(while_connected(lambda: hang_up_after(5.0), work())) == 42


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
            await while_connected(lambda: hang_up_after(0.01), work())
        await asyncio.sleep(0.01)
        assert cancelled == [True]

    asyncio.run(scenario())


def test_what_the_work_raises_reaches_the_caller():
    async def work() -> None:
        raise ZeroDivisionError

    async def scenario() -> None:
        with pytest.raises(ZeroDivisionError):
            await while_connected(lambda: hang_up_after(5.0), work())

    asyncio.run(scenario())
