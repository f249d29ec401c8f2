"""What Ray's proxies answer for a replica that died with a frame in its hands: 503 and when to come again, where Ray has 500.

    RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH=service.cluster.proxy:middleware

set for every node. Not sent again by itself: the replica may have counted the frame for its camera.
"""

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_BODY = (
    b'{"type":"urn:smoke-bvm:problem:replica_lost","title":"Service Unavailable","status":503,'
    b'"detail":"found the replica gone that had the frame, expected it to answer; send the frame again"}'
)
_HEADERS = [(b"content-type", b"application/problem+json"), (b"retry-after", b"1")]


class LostReplicaMiddleware:
    """Answers what Ray leaves without an answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and answer where nobody did."""
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        await self._app(scope, receive, watched)
        if scope["type"] == "http" and not begun:
            await send({"type": "http.response.start", "status": 503, "headers": _HEADERS})
            await send({"type": "http.response.body", "body": _BODY})


def middleware() -> list[Middleware]:
    """What Ray's proxies put around their application."""
    return [Middleware(LostReplicaMiddleware)]
