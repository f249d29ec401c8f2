"""What Ray's proxies say themselves, said as the service says it: problem bodies, when to come again, one id a request.

    RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH=service.cluster.proxy:middleware

set for every node. A frame whose replica died gets 503, where Ray ends the request without a word; it is not sent again by itself, for
the replica may have counted it for its camera. What finds no place gets 429, and what finds no replica 503, where Ray has plain text.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.middleware.access_log import request_id_of
from service.api.problems import respond
from service.errors import ModelUnavailable, ServiceFull


class _Words(NamedTuple):
    """A problem's reason, and its detail."""

    reason: str
    detail: str


_LOST: Final = _Words(
    "replica_lost", "found the replica gone that had the frame, expected it to answer; send the frame again"
)
_OF_RAY: Final[Mapping[int, _Words]] = {
    404: _Words("not_found", "found no application on the cluster, expected one at this path"),
    408: _Words("request_timeout", "found no answer in the time that the cluster gives a request"),
    429: _Words(ServiceFull.reason, "found every replica busy and as many waiting as may, expected room; come again"),
    503: _Words(ModelUnavailable.reason, "found no replica that answers, expected one; come again"),
}
"""By the statuses that Ray's proxies answer with in plain text."""


class ProxyProblemsMiddleware:
    """Answers what Ray leaves without an answer, and puts its own refusals into problem bodies."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wrap one request; anything but HTTP passes untouched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = request_id_of(scope)
        # Ray hands on what it finds here, to the replica too, and makes up an id only where there is none.
        MutableHeaders(scope=scope)["X-Request-ID"] = request_id
        begun, replaced = False, False

        async def told(message: Message) -> None:
            nonlocal begun, replaced
            if message["type"] == "http.response.start":
                begun, words = True, _words_for(message)
                replaced = words is not None
                if words:
                    await _refuse(message["status"], words, request_id, Headers(scope=message))(scope, receive, send)
                else:
                    MutableHeaders(scope=message)["X-Request-ID"] = (
                        request_id  # once: Ray adds it to that of the replica
                    )
            if not replaced:
                await send(message)

        await self._app(scope, receive, told)
        if not begun:
            await _refuse(503, _LOST, request_id, {})(scope, receive, send)


def _words_for(start: Message) -> _Words | None:
    """The words for a refusal of Ray's own; None for what a replica answered."""
    plain = Headers(scope=start).get("content-type", "").startswith("text/plain")
    return _OF_RAY.get(start["status"]) if plain else None


def _refuse(status: int, words: _Words, request_id: str, told: Mapping[str, str]) -> ASGIApp:
    headers = {"X-Request-ID": request_id}
    if status in (429, 503):
        headers["Retry-After"] = told.get("retry-after", "1")
    return respond(status, *words, request_id, headers)


def middleware() -> list[Middleware]:
    """What Ray's proxies put around their application."""
    return [Middleware(ProxyProblemsMiddleware)]
