"""Connections within limits that uvicorn does not have: how many, how long and how large a header, how slow a reader.

A subclass of uvicorn's protocol rather than a proxy in front: the limits hold wherever the service is started.
"""

import asyncio
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.api.problems import MEDIA_TYPE, Problem
from service.server.http_parser import PlainParser, without_offer

HEADER_TIMEOUT: Final = "header_timeout"
HEADER_TOO_LARGE: Final = "header_too_large"
NO_ROOM: Final = "no_room"
MALFORMED: Final = "malformed"
UNREAD: Final = "unread"
SEND_TIMEOUT: Final = "send_timeout"
_SLOW_S: Final = 1.0
_IN_WORDS: Final = {
    HEADER_TIMEOUT: "found no complete header in time, expected one",
    HEADER_TOO_LARGE: "found a header of too many bytes or lines, expected a smaller one",
    NO_ROOM: "found as many connections as allowed, expected fewer; an idle or a slow one makes room for a new one",
    MALFORMED: "found something that is no HTTP/1.1 request, expected one",
}


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What a connection may cost.

    Attributes:
        connections_max: Most at once; beyond, one that is idle makes room, or one whose client is slow.
        header_timeout_s: Longest time for a request's line and headers to arrive.
        send_timeout_s: Longest time that a reply may wait for its reader.
        unread_max_bytes: Most bytes of replies that wait for their readers; beyond, the one that waits longest is dropped.
        header_max_bytes, headers_max: Largest header, in bytes and in lines.
    """

    connections_max: int
    header_timeout_s: float
    send_timeout_s: float
    unread_max_bytes: int
    header_max_bytes: int = 2**16
    headers_max: int = 100


def limited(limits: ConnectionLimits, report: Callable[[str], None]) -> type["LimitedProtocol"]:
    """A protocol for `uvicorn.Config(http=...)`; `report` is told why a connection was closed."""
    return type("LimitedProtocol", (LimitedProtocol,), {"limits": limits, "report": staticmethod(report)})


class LimitedProtocol(HttpToolsProtocol):
    """One connection. `idle` while no request is being answered: before, between and within headers.

    `since_s` is when that began, or a request after it; `slow_since_s` is 0 unless its reader is slower than the reply.
    """

    limits: ClassVar[ConnectionLimits]
    report: Callable[[str], None] = staticmethod(lambda _: None)

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*arguments, **named)
        self.parser = PlainParser(self, self._head_without_offer)
        self.idle = True
        self.since_s = time.perf_counter()
        self.slow_since_s = 0.0
        self._refused = False
        self._header_bytes = 0
        self._header_timer: asyncio.TimerHandle | None = None
        self._send_timer: asyncio.TimerHandle | None = None
        self._close_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock for the first header; make room where there is none."""
        super().connection_made(transport)
        self._await_header()
        if len(self.connections) > self.limits.connections_max:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clocks."""
        self._stop_timers()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bound what has come of a header that is not complete: that of a next request, sent before this answer, or a trailer."""
        if self._refused:
            return
        self._header_bytes += len(data)
        super().data_received(data)
        if self._refused:
            return
        if self._header_bytes > self.limits.header_max_bytes:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, HEADER_TOO_LARGE)
        elif self.idle and self._header_timer is None:
            self._await_header()

    def on_headers_complete(self) -> None:
        """Answer, unless the header is larger than it may be; a reader that is slow for an earlier answer stays timed."""
        self._header_bytes = 0
        if self.parser.should_upgrade():
            return
        self._stop_awaiting_header()
        self.idle, self.since_s = False, time.perf_counter()
        size_bytes = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if len(self.headers) > self.limits.headers_max or size_bytes > self.limits.header_max_bytes:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, HEADER_TOO_LARGE)
        if not self._refused:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Pass on what belongs to a request that was let in."""
        self._header_bytes = 0
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Pass on the end of a request that was let in."""
        if not self._refused and not self.parser.should_upgrade():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Idle again, unless the next request is here already; uvicorn's keep-alive clock runs from now."""
        super().on_response_complete()
        self.idle, self.since_s = not self.pipeline and self.cycle.response_complete, time.perf_counter()
        self._limit_closing()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that has been idle, within limits."""
        super().timeout_keep_alive_handler()
        self._limit_closing()

    def pause_writing(self) -> None:
        """The reader is slower than the reply; where too many are, the slowest makes room."""
        super().pause_writing()
        self.slow_since_s = time.perf_counter()
        self._send_timer = self.loop.call_later(self.limits.send_timeout_s, self.give_up_sending)
        self._bound_unread()

    def resume_writing(self) -> None:
        """The reader has caught up."""
        super().resume_writing()
        self.slow_since_s = 0.0
        if self._send_timer is not None:
            self._send_timer.cancel()
            self._send_timer = None

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words say no more
        """Answer what is no HTTP as any other refusal: with a problem body."""
        self._refuse(HTTPStatus.BAD_REQUEST, MALFORMED)

    @property
    def waits_for_client(self) -> bool:
        """Whether it does nothing else: for a request, or for more than a moment for a body or a reader."""
        slow_s = time.perf_counter() - _SLOW_S
        uploading = self.cycle is not None and self.cycle.more_body and not self.pipeline
        return self.idle or 0.0 < self.slow_since_s < slow_s or (uploading and self.since_s < slow_s)

    def evict(self) -> None:
        """Close, so that another connection finds room."""
        self.idle = False
        if self.slow_since_s:
            self.give_up_sending(NO_ROOM)
        else:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, NO_ROOM)

    def _head_without_offer(self) -> bytes:
        return without_offer(self.parser.get_method(), self.url, self.parser.get_http_version(), self.headers)

    def _await_header(self) -> None:
        self._header_timer = self.loop.call_later(self.limits.header_timeout_s, self._give_up_header)

    def _stop_awaiting_header(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _give_up_header(self) -> None:
        self._header_timer = None
        self._refuse(HTTPStatus.REQUEST_TIMEOUT, HEADER_TIMEOUT)

    def give_up_sending(self, reason: str = SEND_TIMEOUT) -> None:
        """Drop what the reader has not taken, and the connection with it."""
        self._stop_timers()
        self.slow_since_s = 0.0
        self.report(reason)
        self.transport.abort()

    def _bound_unread(self) -> None:
        """One reply may be as large as it is; several together may not."""
        slow = [other for other in self.connections if isinstance(other, LimitedProtocol) and other.slow_since_s]
        unread_bytes = sum(other.transport.get_write_buffer_size() for other in slow)
        if len(slow) > 1 and unread_bytes > self.limits.unread_max_bytes:
            min(slow, key=lambda other: other.slow_since_s).give_up_sending(UNREAD)

    def _make_room(self) -> None:
        """One that is idle goes, or else one whose client is slow; of several the one that waits longest."""
        others = (other for other in self.connections if other is not self and isinstance(other, LimitedProtocol))
        waiting = (other for other in others if other.waits_for_client)
        longest = min(waiting, key=lambda other: (not other.idle, other.since_s), default=None)
        if longest is None:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, NO_ROOM)
        else:
            longest.evict()

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        """Say why, and close; there is no request yet that a route could answer."""
        self._refused = True
        self._stop_timers()
        self.report(reason)
        if not self.transport.is_closing():
            if self._may_answer:
                self.transport.write(_problem(status, reason))
            self.transport.close()
        self._limit_closing()

    @property
    def _may_answer(self) -> bool:
        """Whether a refusal can be written without cutting a reply in two: none is under way, or the request is still being sent."""
        cycle = self.cycle
        return cycle is None or cycle.response_complete or (cycle.more_body and not cycle.response_started)

    def _limit_closing(self) -> None:
        """A transport that closes waits for its reader to take the rest, and would wait for ever."""
        if self.transport.is_closing() and self._close_timer is None:
            self._close_timer = self.loop.call_later(self.limits.send_timeout_s, self.give_up_sending)

    def _stop_timers(self) -> None:
        self._stop_awaiting_header()
        for timer in (self._send_timer, self._close_timer):
            if timer is not None:
                timer.cancel()
        self._send_timer = self._close_timer = None


def _problem(status: HTTPStatus, reason: str) -> bytes:
    """The whole reply."""
    request_id = uuid.uuid4().hex
    body = Problem.of(status, reason, _IN_WORDS[reason], request_id).model_dump_json().encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {MEDIA_TYPE}\r\n"
        f"Content-Length: {len(body)}\r\nX-Request-ID: {request_id}\r\nConnection: close\r\n\r\n"
    )
    return head.encode("ascii") + body
