"""No refusal is lost to an upload that is still under way.

A refusal that comes before the whole upload was read waits a moment for it, so that the connection can stay open: under
overload, new connections would cost more than the refusals. Where the moment does not do, it is sent, and the connection
closed only after the rest was read and dropped (within bounds): a client in mid-upload would otherwise see a reset.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LINGER_S: Final = 0.05


@dataclass(slots=True)
class _Upload:
    """How far a request's body got, and whether it was refused."""

    expects_continue: bool
    asked_for: bool = False
    complete: bool = False
    refused: bool = False

    @property
    def pending(self) -> bool:
        """Whether the client may still be sending; one that waits for «100 Continue» is not."""
        return not self.complete and (self.asked_for or not self.expects_continue)


class LingeringCloseMiddleware:
    """ASGI middleware around all others: it must see every refusal, that of an unexpected failure too.

    Args:
        app: What it wraps.
        discard_max_bytes: Most bytes of a refused upload that are read and dropped.
        discard_s: Longest time that takes.
    """

    def __init__(self, app: ASGIApp, discard_max_bytes: int, discard_s: float) -> None:
        self._app = app
        self._discard_max_bytes = discard_max_bytes
        self._discard_s = discard_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wrap one request; anything but HTTP passes untouched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        upload = _Upload("100-continue" in Headers(scope=scope).get("expect", "").lower())
        watched = _watched(upload, receive)
        await self._app(scope, watched, self._completed(upload, watched, send))

    def _completed(self, upload: _Upload, receive: Receive, send: Send) -> Send:
        """Send, with the end of a refusal held back until the upload is out of the way."""

        async def completed(message: Message) -> None:
            if message["type"] == "http.response.start":
                upload.refused = message["status"] >= 400
                if upload.refused and upload.pending:
                    await self._discard(upload, receive, _LINGER_S)
                if upload.refused and not upload.complete:
                    MutableHeaders(scope=message)["Connection"] = "close"
            elif message["type"] == "http.response.body" and _is_early_end(upload, message):
                await send({**message, "more_body": True})
                await self._discard(upload, receive, self._discard_s)
                message = {"type": "http.response.body", "body": b"", "more_body": False}
            await send(message)

        return completed

    async def _discard(self, upload: _Upload, receive: Receive, most_s: float) -> None:
        left_bytes = self._discard_max_bytes
        try:
            async with asyncio.timeout(most_s):
                while left_bytes > 0 and not upload.complete:
                    left_bytes -= len((await receive()).get("body", b""))
        except TimeoutError:
            return


def _watched(upload: _Upload, receive: Receive) -> Receive:
    async def watched() -> Message:
        upload.asked_for = True
        message = await receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            upload.complete = True
        return message

    return watched


def _is_early_end(upload: _Upload, message: Message) -> bool:
    """Whether this is the last part of a refusal whose upload is still under way."""
    return upload.refused and upload.pending and not message.get("more_body", False)
