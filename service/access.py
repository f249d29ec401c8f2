"""Who may come in: each route names the scope it needs, and which port it belongs to where there are two."""

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from service import keys
from service.api.problems import respond

_PRIVATE: Final = ("/metrics", "/admin")
_BOTH: Final = "/health"


def needs(scope: keys.Scope) -> Callable[[Request], Awaitable[None]]:
    """A check for a route: without a file of keys everybody passes, else a key of this scope is needed.

    Raises:
        KeyMissing, KeyInsufficient, RateExceeded: See `KeyRing.allow`; before the body is read.
    """

    async def check(request: Request) -> None:
        ring: keys.KeyRing | None = request.app.state.keys
        if ring is not None:
            request.state.key = ring.allow(_offered(request), scope)

    return check


class SeparatePorts:
    """ASGI middleware: `/metrics` and `/admin` on a port of their own, the rest on the other, the probes on both.

    Args:
        app: What it wraps.
        private_port: The port for `/metrics` and `/admin`; a request that came in elsewhere does not find them.
    """

    def __init__(self, app: ASGIApp, private_port: int) -> None:
        self._app = app
        self._private_port = private_port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 404."""
        if scope["type"] == "http" and self._is_elsewhere(scope):
            refusal = respond(404, "not_found", "Not Found", scope["state"]["request_id"])
            scope["state"]["reason"] = "not_found"
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_elsewhere(self, scope: Scope) -> bool:
        path: str = scope["path"]
        if _below(path, _BOTH):
            return False
        came_in_private = (scope.get("server") or ("", 0))[1] == self._private_port
        return any(_below(path, root) for root in _PRIVATE) != came_in_private


def _below(path: str, root: str) -> bool:
    return path == root or path.startswith(f"{root}/")


def _offered(request: Request) -> str | None:
    kind, _, credentials = request.headers.get("authorization", "").partition(" ")
    return credentials.strip() if kind.lower() == "bearer" else request.headers.get("x-api-key")
