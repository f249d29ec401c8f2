"""A request's body: read within limits of bytes and time, and the caller watched while the answer is made."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, MutableMapping
from typing import Any, Final, TypeVar

from service.errors import BodyEmpty, BodyTooLarge, BodyTooSlow, ClientGone, MediaTypeUnsupported

T = TypeVar("T")
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
MEDIA_TYPES: Final = ("image/jpeg", "image/png", "image/webp")
# Undeclared bytes, and a name for JPEG that cameras use; what the bytes are is told by the bytes.
_TOLERATED: Final = ("", "application/octet-stream", "image/jpg")


def check_media_type(declared: str) -> None:
    """Refuse a Content-Type that promises no picture. An empty one promises nothing and passes.

    Raises:
        MediaTypeUnsupported: It is none of MEDIA_TYPES.
    """
    media_type = declared.partition(";")[0].strip().lower()
    if media_type not in (*MEDIA_TYPES, *_TOLERATED):
        expected = f"one of {', '.join(MEDIA_TYPES)}, or a form (multipart/form-data)"
        raise MediaTypeUnsupported(f"found Content-Type {media_type[:64]!r}, expected {expected}")


async def read_body(
    chunks: AsyncIterator[bytes], declared_bytes: int | None, max_bytes: int, timeout_s: float
) -> bytes:
    """Read a body, counting as it streams.

    Args:
        chunks: What arrives.
        declared_bytes: The Content-Length, where there is one.
        max_bytes: Most bytes taken.
        timeout_s: Longest time the whole body may take.

    Raises:
        BodyTooLarge, BodyTooSlow, BodyEmpty: As they say.
    """
    if declared_bytes is not None and declared_bytes > max_bytes:
        raise BodyTooLarge(f"found a declared body of {declared_bytes} bytes, expected at most {max_bytes}")
    try:
        async with asyncio.timeout(timeout_s):
            body = await _collect(chunks, max_bytes)
    except TimeoutError:
        raise BodyTooSlow(f"found the body incomplete after {timeout_s:g} s, expected all of it") from None
    if not body:
        raise BodyEmpty("found an empty body, expected a JPEG, PNG or WebP file")
    return body


async def while_connected(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Await the work, but cancel it when the caller hangs up. The body must have been read.

    Raises:
        ClientGone: The caller hung up first.
    """
    task = asyncio.ensure_future(work)
    watch = asyncio.ensure_future(_hang_up(receive))
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientGone("the caller hung up before the answer was ready")
        return task.result()
    finally:
        task.cancel()
        watch.cancel()
        # Only when both have ended is the frame withdrawn.
        await asyncio.gather(task, watch, return_exceptions=True)


async def _collect(chunks: AsyncIterator[bytes], max_bytes: int) -> bytes:
    body = bytearray()
    async for chunk in chunks:
        if len(body) + len(chunk) > max_bytes:
            raise BodyTooLarge(f"found more than {max_bytes} bytes, expected at most that")
        body += chunk
    return bytes(body)


async def _hang_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
