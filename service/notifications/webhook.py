"""The webhook: one signed POST per alarm that begins or ends, and per review.

`X-Smoke-Signature: t=SECONDS,v1=HEX` with HEX = HMAC-SHA256(secret, SECONDS + "." + body): a receiver compares it in constant time and
refuses what is older than a few minutes.
"""

import asyncio
import hashlib
import hmac
import json
import ssl
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import httpx2

from service.cameras.alarm import AlarmState
from service.cameras.camera import AlarmTransition
from service.notifications.outbox import DeliveryFailed
from service.timestamps import instant

SIGNATURE: Final = "X-Smoke-Signature"
_TIMEOUT_S: Final = 5.0
_IN_ALL_S: Final = 15.0
"""A receiver that answers a byte at a time holds up no other notification for longer."""
_WORTH_IT: Final = (AlarmState.ALARM, AlarmState.REVIEW)
_AGAIN: Final = (408, 425, 429)


class Webhook:
    """A channel of `service.notifications.outbox`.

    Args:
        url: Where to post.
        secret: Key of the signature.
        clock: Seconds since 1970.
        authority: Whose certificates the receiver's must be among; None for the system's.

    Raises:
        ValueError: The URL is none.
    """

    name = "webhook"

    def __init__(
        self,
        url: str,
        secret: bytes,
        clock: Callable[[], float] = time.time,
        authority: ssl.SSLContext | None = None,
    ) -> None:
        try:
            self._url = httpx2.URL(url)
        except httpx2.InvalidURL as error:
            raise ValueError(f"found {url!r}, expected a URL: {error}") from error
        self._secret = secret
        self._clock = clock
        self._verify: ssl.SSLContext | bool = authority or True
        self._client: httpx2.AsyncClient | None = None

    def wants(self, change: AlarmTransition) -> bool:
        """An alarm or a review begins or ends; suspicion is for the dashboard."""
        return change.after in _WORTH_IT or change.before in _WORTH_IT

    async def deliver(self, change: AlarmTransition) -> None:
        """Post it. Raises DeliveryFailed; a permanent one where the receiver refuses what it was sent."""
        assert self._client, "deliver inside opened()"  # noqa: S101
        now_s = self._clock()
        body = json.dumps(message(change, now_s)).encode()
        headers = {"Content-Type": "application/json", SIGNATURE: sign(self._secret, int(now_s), body)}
        try:
            async with (
                asyncio.timeout(_IN_ALL_S),
                self._client.stream("POST", self._url, content=body, headers=headers) as answer,
            ):
                status = answer.status_code
        except (httpx2.HTTPError, TimeoutError) as error:
            raise DeliveryFailed(f"{type(error).__name__}: {error}") from error
        if not 200 <= status < 300:
            raise DeliveryFailed(f"found status {status}", permanent=status < 500 and status not in _AGAIN)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Keep a connection; redirects are not followed and the environment's proxies not used."""
        async with httpx2.AsyncClient(
            verify=self._verify, timeout=_TIMEOUT_S, follow_redirects=False, trust_env=False
        ) as self._client:
            yield


def message(change: AlarmTransition, now_s: float) -> dict[str, object]:
    """The body: what happened to which camera. A repeat of the same change has the same `id`."""
    told = f"{change.camera_id} {change.before} {change.after} {change.since_s} {change.boxes}"
    if change.view:
        told += f" {change.view}"
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"urn:smoke-bvm:{told}")),
        "camera_id": change.camera_id,
        **({"view": change.view} if change.view else {}),
        "before": change.before,
        "after": change.after,
        "since": instant(change.since_s),
        "score": round(change.score, 6),
        "frames": change.frames,
        "boxes": [dict(zip(("left", "top", "right", "bottom"), box, strict=True)) for box in change.boxes],
        "sent_at": instant(now_s),
    }


def sign(secret: bytes, seconds: int, body: bytes) -> str:
    """The value of the signature's header."""
    digest = hmac.new(secret, b"%d." % seconds + body, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"
