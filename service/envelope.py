"""What every request gets, whatever its route: an id, security headers, one log line, one count, no lost refusal.

A refusal that comes before the whole upload was read waits a moment for it, so that the connection can stay open: under
overload, new connections would cost more than the refusals. Where the moment does not do, it is sent, and the connection
closed only after the rest was read and dropped (within bounds): a client in mid-upload would otherwise see a reset.
"""

import asyncio
import logging
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.metrics import Metrics
from service.api.problems import CLIENT_CLOSED_REQUEST, respond
from service.logs import Sparse

_LOG = logging.getLogger("service.requests")
_COUNTED: Final = "/segment"
_MOMENT_S: Final = 0.05
_TOO_MANY: Final = 429
_QUIET: Final = ("/health/", "/metrics")
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_HEADERS: Final = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


@dataclass(slots=True)
class _Exchange:
    """One request and how far it got."""

    path: str
    method: str
    request_id: str
    expects_continue: bool
    started_s: float = field(default_factory=time.perf_counter)
    asked_for_body: bool = False
    body_complete: bool = False
    status: int | None = None

    @property
    def upload_pending(self) -> bool:
        """Whether the client may still be sending; one that waits for «100 Continue» is not."""
        return not self.body_complete and (self.asked_for_body or not self.expects_continue)


class Envelope:
    """ASGI middleware around the whole application.

    Args:
        app: What it wraps.
        metrics: Counts requests to /segment by outcome.
        discard_max_bytes: Most bytes of a refused upload that are read and dropped.
        discard_s: Longest time that takes.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, discard_max_bytes: int, discard_s: float) -> None:
        self._app = app
        self._metrics = metrics
        self._discard_max_bytes = discard_max_bytes
        self._discard_s = discard_s
        self._refusals = Sparse()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wrap one request; anything but HTTP passes untouched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _exchange(scope)
        state = scope.setdefault("state", {})
        state["request_id"] = exchange.request_id
        counted = exchange.path == _COUNTED
        if counted:
            self._metrics.arrived()
        try:
            await self._answer(exchange, scope, receive, send)
        finally:
            reason = state.get("reason", "ok" if (exchange.status or 500) < 400 else "internal")
            if counted:
                self._metrics.ended(_outcome(exchange.status), reason)
            self._log(exchange, reason, state)

    async def _answer(self, exchange: _Exchange, scope: Scope, receive: Receive, send: Send) -> None:
        watched = _watched(exchange, receive)
        completed = self._completed(exchange, watched, send)
        try:
            await self._app(scope, watched, completed)
        except Exception:  # noqa: BLE001 - the last line of defence: a caller gets a problem body, never a trace
            _LOG.exception("unexpected failure", extra={"request_id": exchange.request_id})
            if exchange.status is None:
                detail = "an unexpected failure; the request id finds the cause in the log"
                await respond(500, "internal", detail, exchange.request_id)(scope, watched, completed)

    def _completed(self, exchange: _Exchange, receive: Receive, send: Send) -> Send:
        """Send with the headers added, and with the end of a refusal held back until the upload is out of the way."""

        async def completed(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                if exchange.status >= 400 and exchange.upload_pending:
                    await self._discard(exchange, receive, _MOMENT_S)
                _add_headers(message, exchange)
            elif message["type"] == "http.response.body" and _early(exchange, message):
                await send({**message, "more_body": True})
                await self._discard(exchange, receive, self._discard_s)
                message = {"type": "http.response.body", "body": b"", "more_body": False}
            await send(message)

        return completed

    async def _discard(self, exchange: _Exchange, receive: Receive, most_s: float) -> None:
        left_bytes = self._discard_max_bytes
        try:
            async with asyncio.timeout(most_s):
                while left_bytes > 0 and not exchange.body_complete:
                    left_bytes -= len((await receive()).get("body", b""))
        except TimeoutError:
            return

    def _log(self, exchange: _Exchange, reason: str, state: Mapping[str, Any]) -> None:
        """One line; of refusals for want of room, which come in thousands, one a second that counts the others."""
        fields, cause = _fields(exchange, reason, state), state.get("cause")
        level = _level(exchange, cause)
        if exchange.status == _TOO_MANY:
            held_back = self._refusals.take()
            level = level if held_back is not None else logging.DEBUG
            fields |= {"more_like_it": held_back} if held_back else {}
        _LOG.log(level, "request", extra=fields, exc_info=cause)


def _exchange(scope: Scope) -> _Exchange:
    headers = Headers(scope=scope)
    offered = headers.get("x-request-id", "")
    request_id = offered if _REQUEST_ID.fullmatch(offered) else uuid.uuid4().hex
    return _Exchange(scope["path"], scope["method"], request_id, "100-continue" in headers.get("expect", "").lower())


def _watched(exchange: _Exchange, receive: Receive) -> Receive:
    async def watched() -> Message:
        exchange.asked_for_body = True
        message = await receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            exchange.body_complete = True
        return message

    return watched


def _early(exchange: _Exchange, message: Message) -> bool:
    """Whether this is the last part of a refusal whose upload is still under way."""
    return (exchange.status or 0) >= 400 and exchange.upload_pending and not message.get("more_body", False)


def _add_headers(message: Message, exchange: _Exchange) -> None:
    headers = MutableHeaders(scope=message)
    headers["X-Request-ID"] = exchange.request_id
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)
    if message["status"] >= 400 and not exchange.body_complete:
        headers["Connection"] = "close"


def _outcome(status: int | None) -> str:
    if status is None or status == CLIENT_CLOSED_REQUEST:
        return "abandoned"
    if status < 400:
        return "answered"
    return "failed" if status == 500 else "refused"


def _fields(exchange: _Exchange, reason: str, state: Mapping[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "request_id": exchange.request_id,
        "method": exchange.method[:16],
        "path": exchange.path[:128],
        "status": exchange.status,
        "reason": reason,
        "duration_ms": round(1000 * (time.perf_counter() - exchange.started_s), 3),
    }
    return fields | ({"key": state["key"]} if "key" in state else {})


def _level(exchange: _Exchange, cause: BaseException | None) -> int:
    quiet = exchange.path.startswith(_QUIET) and (exchange.status or 500) < 400
    return logging.ERROR if cause else logging.DEBUG if quiet else logging.INFO
