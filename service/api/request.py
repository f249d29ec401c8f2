"""From an HTTP request to a frame: what is known before its body is read, the body itself, and the deadline of it all."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

from starlette.requests import Request

from service.api.body import boundary_of, check_media_type, read_body, take_frame
from service.api.query import SegmentQuery
from service.errors import DeadlineExceeded, DeadlineTooShort
from service.scheduling.admission import Inside
from service.scheduling.backlog import Line
from service.scheduling.context import Ticket
from service.settings import Settings

DEADLINE_MAX_MS: Final = 600_000
Offload = Callable[[Callable[[], bytes]], Awaitable[bytes]]


def request_context(query: SegmentQuery, deadline_ms: int | None, settings: Settings) -> Ticket:
    """The place of a request that arrives now."""
    arrived_s = time.perf_counter()
    wait_s = settings.deadline_s if deadline_ms is None else min(deadline_ms / 1000.0, settings.deadline_s)
    hurried = wait_s < settings.deadline_s
    return Ticket(query.camera_id, query.latest, arrived_s, arrived_s + wait_s, query.options().frames, hurried)


def body_bytes(headers: Mapping[str, str], max_bytes: int) -> int:
    """The most that a body can turn out to be: what it declares, or as much as is allowed."""
    declared_bytes = _declared_bytes(headers)
    return max_bytes if declared_bytes is None else min(declared_bytes, max_bytes)


async def read_frame(request: Request, settings: Settings, inside: Inside, offload: Offload) -> bytes:
    """Read the picture file that a request carries, as its body or as the only part of a form.

    Args:
        request: Its body was not touched yet.
        settings: Limits of bytes and time.
        inside: The request, which was let in; told how long the body turned out to be.
        offload: Runs the taking apart of a form off the event loop.

    Raises:
        RequestError: One of its classes per cause.
    """
    content_type = request.headers.get("content-type", "")
    boundary = boundary_of(content_type)
    if boundary is None:
        check_media_type(content_type)
    declared_bytes = _declared_bytes(request.headers)
    body = await read_body(request.stream(), declared_bytes, settings.body_max_bytes, settings.body_timeout_s)
    inside.arrive(len(body))
    return body if boundary is None else await offload(lambda: take_frame(body, boundary))


@asynccontextmanager
async def until_deadline(ticket: Ticket, line: Line) -> AsyncIterator[None]:
    """Give up what is inside when the ticket's time is up.

    Raises:
        DeadlineExceeded: It was up.
        DeadlineTooShort: It was up, as was to be expected of so short a one.
    """
    try:
        async with asyncio.timeout(ticket.left_s) as limit:
            yield
    except (TimeoutError, DeadlineExceeded) as error:
        if isinstance(error, TimeoutError) and not limit.expired():
            raise
        wait_ms = 1000 * (ticket.deadline_s - ticket.arrived_s)
        cause = DeadlineTooShort if line.too_short(ticket) else DeadlineExceeded
        raise cause(f"found no answer after {wait_ms:g} ms, expected one by then") from None


def _declared_bytes(headers: Mapping[str, str]) -> int | None:
    declared = headers.get("content-length", "")
    return int(declared) if declared.isdecimal() and len(declared) < 20 else None
