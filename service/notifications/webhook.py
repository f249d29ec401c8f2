"""The webhook: one signed POST per alarm that begins or ends, and per review.

Signed as Standard Webhooks 1.0 says (https://www.standardwebhooks.com), so that a receiver needs no code of its own:
`webhook-signature: v1,BASE64` of HMAC-SHA256(key, ID + "." + SECONDS + "." + body), with ID in `webhook-id` and SECONDS in
`webhook-timestamp`. The key is the secret's bytes, or for a secret `whsec_BASE64` what it stands for. A receiver
compares the signature in constant time and refuses what is older than a few minutes.
"""

import asyncio
import base64
import binascii
import hmac
import json
import socket
import ssl
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import httpx2

from service.cameras.alarm import AlarmState
from service.cameras.alarm_status import AlarmTransition
from service.errors import SettingsInvalid
from service.notifications.links import AlarmLinks
from service.notifications.outbox import DeliveryFailed
from service.notifications.topics import acknowledgement_body
from service.timestamps import instant

_KEY_PREFIX: Final = b"whsec_"
_TIMEOUT_S: Final = 5.0
_IN_ALL_S: Final = 15.0
"""A receiver that answers a byte at a time holds up no other notification for longer."""
_RECEIVE_BYTES: Final = 4096
"""Room for what a receiver sends, where the system would keep megabytes: of one that sends «100 Continue» without end little is read at
once, and all else goes on."""
_WORTH_IT: Final = (AlarmState.ALARM, AlarmState.REVIEW)
_FINAL: Final = (400, 410, 413, 415, 422)
"""What is said of the message itself. Others come and go: 404 while a receiver is replaced, 401 until a token is renewed."""


class Webhook:
    """A channel of `service.notifications.outbox`.

    Args:
        url: Where to post.
        secret: Key of the signature.
        clock: Seconds since 1970.
        authority: Whose certificates the receiver's must be among; None for the system's.
        links: Where the message sends people.

    Raises:
        ValueError: The URL is none.
        SettingsInvalid: The secret is none.
    """

    name = "webhook"

    def __init__(
        self,
        url: str,
        secret: bytes,
        clock: Callable[[], float] = time.time,
        authority: ssl.SSLContext | None = None,
        links: AlarmLinks | None = None,
    ) -> None:
        try:
            self._url = httpx2.URL(url)
        except httpx2.InvalidURL as error:
            raise ValueError(f"found {url!r}, expected a URL: {error}") from error
        key_of(secret)
        self._secret = secret
        self._clock = clock
        self._links = links or AlarmLinks()
        self._verify: ssl.SSLContext | bool = authority or True
        self._client: httpx2.AsyncClient | None = None

    def wants(self, change: AlarmTransition) -> bool:
        """An alarm or a review begins or ends; suspicion is for the dashboard."""
        return change.after in _WORTH_IT or change.before in _WORTH_IT

    async def deliver(self, change: AlarmTransition) -> None:
        """Post it. Raises DeliveryFailed; a permanent one where the receiver refuses what it was sent."""
        assert self._client, "deliver inside opened()"  # noqa: S101
        now_s = self._clock()
        told = message(change, now_s) | self._links.to(change.alarm_id)
        body = json.dumps(told).encode()
        headers = headers_of(self._secret, str(told["id"]), int(now_s), body)
        try:
            async with (
                asyncio.timeout(_IN_ALL_S),
                self._client.stream("POST", self._url, content=body, headers=headers) as answer,
            ):
                status = answer.status_code
        except (httpx2.HTTPError, TimeoutError) as error:
            raise DeliveryFailed(f"{type(error).__name__}: {error}") from error
        if not 200 <= status < 300:
            raise DeliveryFailed(f"found status {status}", permanent=status in _FINAL)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Redirects are not followed and the environment's proxies not used."""
        room = (socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
        transport = httpx2.AsyncHTTPTransport(verify=self._verify, trust_env=False, socket_options=[room])
        async with httpx2.AsyncClient(
            transport=transport, timeout=_TIMEOUT_S, follow_redirects=False, trust_env=False
        ) as self._client:
            yield


def message(change: AlarmTransition, now_s: float) -> dict[str, object]:
    """The body: what happened to which camera. A repeat of the same change has the same `id`."""
    told = f"{change.camera_id} {change.before} {change.after} {change.since_s} {change.boxes}"
    if change.view:
        told += f" {change.view}"
    if change.acknowledged:
        told += f" {change.acknowledged}"
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"urn:smoke-bvm:{told}")),
        "camera_id": change.camera_id,
        **({"view": change.view} if change.view else {}),
        "before": change.before,
        "after": change.after,
        "since": instant(change.since_s),
        "score": round(change.score, 6),
        "frames": change.frames,
        "boxes": [dict(zip(("x", "y", "width", "height"), box, strict=True)) for box in change.boxes_px],
        **acknowledgement_body(change.acknowledged),
        "sent_at": instant(now_s),
    }


def headers_of(secret: bytes, message_id: str, seconds: int, body: bytes) -> dict[str, str]:
    """The headers under which a body is sent."""
    content = f"{message_id}.{seconds}.".encode() + body
    signature = base64.b64encode(hmac.digest(key_of(secret), content, "sha256")).decode()
    return {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": f"v1,{signature}",
    }


def key_of(secret: bytes) -> bytes:
    """The key that a secret stands for.

    Raises:
        SettingsInvalid: It starts as one of Standard Webhooks, and what follows is no base64.
    """
    if not secret.startswith(_KEY_PREFIX):
        return secret
    try:
        return base64.b64decode(secret.removeprefix(_KEY_PREFIX), validate=True)
    except binascii.Error as error:
        raise SettingsInvalid(
            f"SMOKE_WEBHOOK_SECRET_FILE: found whsec_ and no base64 ({error}), expected both"
        ) from error
