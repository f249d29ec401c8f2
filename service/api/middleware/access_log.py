"""What every request gets, whatever its route: an id, security headers, one log line, one count."""

import logging
import math
import re
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.metrics import Metrics
from service.api.problems import CLIENT_CLOSED_REQUEST, respond
from service.validation import CAMERA_ID

_LOG = logging.getLogger("service.requests")
_COUNTED: Final = "/segment"
_TOO_MANY: Final = 429
_KEY_REFUSED: Final = (401, 403)
_QUIET: Final = ("/health/", "/metrics")
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_CAMERA_ID: Final = re.compile(CAMERA_ID)
_HEADERS: Final = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


@dataclass(slots=True)
class _Exchange:
    """One request and how far it got."""

    path: str
    method: str
    request_id: str
    client: str | None
    camera_id: str | None
    started_s: float = field(default_factory=time.perf_counter)
    status: int | None = None


class AccessLogMiddleware:
    """ASGI middleware around the whole application; what it does not know how to answer becomes a problem body.

    Args:
        app: What it wraps.
        metrics: Counts requests to /segment by outcome.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        self._refusals = LogThrottle()

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
            if exchange.status in _KEY_REFUSED:
                self._metrics.key_refused(reason)
            self._log(exchange, reason, state)

    async def _answer(self, exchange: _Exchange, scope: Scope, receive: Receive, send: Send) -> None:
        completed = _completed(exchange, send)
        try:
            await self._app(scope, receive, completed)
        except Exception:  # noqa: BLE001 - the last line of defence: a caller gets a problem body, never a trace
            _LOG.exception("unexpected failure", extra={"request_id": exchange.request_id})
            if exchange.status is None:
                detail = "an unexpected failure; the request id finds the cause in the log"
                await respond(500, "internal", detail, exchange.request_id)(scope, receive, completed)

    def _log(self, exchange: _Exchange, reason: str, state: Mapping[str, Any]) -> None:
        """One line; of refusals for want of room, which come in thousands, one a second that counts the others."""
        fields, cause = _fields(exchange, reason, state), state.get("cause")
        level = _level(exchange, cause)
        if exchange.status == _TOO_MANY:
            held_back = self._refusals.take()
            level = level if held_back is not None else logging.DEBUG
            fields |= {"more_like_it": held_back} if held_back else {}
        _LOG.log(level, "request", extra=fields, exc_info=cause)


def request_id_of(scope: Scope) -> str:
    """The id that a caller gave a request, if it is harmless, or one of our own."""
    offered = Headers(scope=scope).get("x-request-id", "")
    return offered if _REQUEST_ID.fullmatch(offered) else uuid.uuid4().hex


def _exchange(scope: Scope) -> _Exchange:
    client = (scope.get("client") or (None,))[0]
    return _Exchange(scope["path"], scope["method"], request_id_of(scope), client, _camera_id(scope))


def _camera_id(scope: Scope) -> str | None:
    """As the query names it, whoever refuses the request before or after the route reads it."""
    named = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("camera_id", [""])[-1]
    return named if _CAMERA_ID.fullmatch(named) else None


def _completed(exchange: _Exchange, send: Send) -> Send:
    """Send with the status noted and the headers added."""

    async def completed(message: Message) -> None:
        if message["type"] == "http.response.start":
            exchange.status = message["status"]
            _add_headers(message, exchange)
        await send(message)

    return completed


def _add_headers(message: Message, exchange: _Exchange) -> None:
    headers = MutableHeaders(scope=message)
    headers["X-Request-ID"] = exchange.request_id
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)


def _outcome(status: int | None) -> str:
    if status is None or status == CLIENT_CLOSED_REQUEST:
        return "abandoned"
    if status < 400:
        return "answered"
    return "failed" if status == 500 else "refused"


def _fields(exchange: _Exchange, reason: str, state: Mapping[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "request_id": exchange.request_id,
        "client": exchange.client,
        "camera_id": exchange.camera_id,
        "method": exchange.method[:16],
        "path": exchange.path[:128],
        "status": exchange.status,
        "reason": reason,
        "duration_ms": round(1000 * (time.perf_counter() - exchange.started_s), 3),
    }
    known = {name: value for name, value in fields.items() if value is not None or name == "status"}
    return known | ({"key": state["key"]} if "key" in state else {})


def _level(exchange: _Exchange, cause: BaseException | None) -> int:
    quiet = exchange.path.startswith(_QUIET) and (exchange.status or 500) < 400
    return logging.ERROR if cause else logging.DEBUG if quiet else logging.INFO


class LogThrottle:
    """Lets one of many records through in a while, and knows how many it held back. For one thread.

    Args:
        pause_s: Least time between two of them.
        clock: Gives seconds.
    """

    def __init__(self, pause_s: float = 1.0, clock: Callable[[], float] = time.perf_counter) -> None:
        self._pause_s = pause_s
        self._clock = clock
        self._next_s = -math.inf
        self._held_back = 0

    def take(self) -> int | None:
        """How many were held back since the last one that went through; None for one that is held back."""
        if self._clock() < self._next_s:
            self._held_back += 1
            return None
        held_back, self._held_back = self._held_back, 0
        self._next_s = self._clock() + self._pause_s
        return held_back
