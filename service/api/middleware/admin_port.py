"""`/metrics` and `/admin` on a port of their own, where there are two."""

from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.problems import respond

_PRIVATE: Final = ("/metrics", "/admin")
_BOTH: Final = "/health"


class AdminPortMiddleware:
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
            detail = f"found no {scope['path'][:200]} on this port, expected {' and '.join(_PRIVATE)} on the admin port alone"
            refusal = respond(404, "not_found", detail, scope["state"]["request_id"])
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
