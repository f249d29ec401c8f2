"""A request's body: read within limits of bytes and time, its form taken apart, and the caller watched while the answer is made."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, MutableMapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from service.errors import BodyEmpty, BodyTooLarge, BodyTooSlow, ClientGone, FormBroken, MediaTypeUnsupported

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

_T = TypeVar("_T")
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
MEDIA_TYPES: Final = ("image/jpeg", "image/png", "image/webp")
# Undeclared bytes, and names for JPEG that cameras and old browsers use; what the bytes are is told by the bytes.
_TOLERATED: Final = ("", "application/octet-stream", "binary/octet-stream", "image/jpg", "image/pjpeg")
FORM: Final = "multipart/form-data"
PARTS: Final = ("frame", "file", "image")
"""A form with one part of these names, as browsers and `curl -F` send it, is taken apart in memory, out of a body already counted."""
_EXPECTED: Final = f"{PARTS[0]!r} (or {' or '.join(map(repr, PARTS[1:]))})"
_STEP_BYTES: Final = 2**16
_LIMITS: Final = {"max_header_count": 8, "max_header_size": 1024}


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
        BodyTooLarge, BodyTooSlow, BodyEmpty, ClientGone: As they say.
    """
    if declared_bytes is not None and declared_bytes > max_bytes:
        raise BodyTooLarge(f"found a declared body of {declared_bytes} bytes, expected at most {max_bytes}")
    try:
        async with asyncio.timeout(timeout_s):
            body = await _collect(chunks, max_bytes)
    except TimeoutError:
        raise BodyTooSlow(f"found the body incomplete after {timeout_s:g} s, expected all of it") from None
    except ClientDisconnect:
        raise ClientGone("the caller hung up before the whole body was sent") from None
    if not body:
        raise BodyEmpty("found an empty body, expected a JPEG, PNG or WebP file")
    return body


async def cancel_on_disconnect(receive: Receive, work: Coroutine[Any, Any, _T]) -> _T:
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


def boundary_of(content_type: str) -> bytes | None:
    """What separates the parts of a form; None where the Content-Type is no form's.

    Raises:
        FormBroken: A form without a boundary.
    """
    if content_type.partition(";")[0].strip().lower() != FORM:
        return None
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not boundary:
        raise FormBroken(f"found {FORM} without a boundary, expected one in the Content-Type")
    return boundary


def take_frame(body: bytes, boundary: bytes) -> bytes:
    """The content of the only part, named as one of PARTS.

    Raises:
        FormBroken: The form is cut or damaged, or does not have that part and no other.
        BodyEmpty: The part is empty.
        MediaTypeUnsupported: The part is declared as something other than a picture.
    """
    parts = _Parts()
    try:
        parser = MultipartParser(boundary, parts.callbacks(), **_LIMITS)
        for start in range(0, len(body), _STEP_BYTES):
            parser.write(body[start : start + _STEP_BYTES])
    except FormParserError as error:
        raise FormBroken(f"found a form that is not well formed ({error}), expected one part {_EXPECTED}") from error
    if not parts.ended:
        raise FormBroken(f"found a form without its end, expected one part {_EXPECTED}")
    if not parts.content:
        raise BodyEmpty("found an empty part, expected a JPEG, PNG or WebP file")
    return bytes(parts.content)


@dataclass(slots=True)
class _Parts:
    """What the parser has told so far. The first part that is not the only one, or of another name, ends the parsing."""

    content: bytearray = field(default_factory=bytearray)
    ended: bool = False
    count: int = 0
    name: bytearray = field(default_factory=bytearray)
    value: bytearray = field(default_factory=bytearray)
    headers: dict[bytes, bytes] = field(default_factory=dict)

    def callbacks(self) -> "MultipartCallbacks":
        """Under the parser's names for them."""
        return {
            "on_part_begin": self.begin,
            "on_header_field": lambda data, start, end: self.name.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self.value.extend(data[start:end]),
            "on_header_end": self.end_header,
            "on_headers_finished": self.check,
            "on_part_data": lambda data, start, end: self.content.extend(data[start:end]),
            "on_end": self.end,
        }

    def begin(self) -> None:
        """A part begins."""
        self.count += 1
        if self.count > 1:
            raise FormBroken(f"found more than one part, expected {_EXPECTED} alone; all else goes into the query")
        self.headers.clear()

    def end_header(self) -> None:
        """A header of the part is complete."""
        self.headers[bytes(self.name).lower()] = bytes(self.value)
        self.name.clear()
        self.value.clear()

    def check(self) -> None:
        """The part's headers are complete."""
        _, options = parse_options_header(self.headers.get(b"content-disposition", b""))
        if (name := options.get(b"name", b"")).decode("latin-1") not in PARTS:
            raise FormBroken(f"found a part named {name[:32]!r}, expected {_EXPECTED}")
        check_media_type(self.headers.get(b"content-type", b"").decode("latin-1"))

    def end(self) -> None:
        """The form is complete."""
        self.ended = True
