"""Who may use a route: the key that a request offers, held against the scopes of which the route needs one."""

import base64
import binascii
from collections.abc import Awaitable, Callable

from starlette.requests import Request

from service.api.auth import Scope
from service.api.state import AppState


def require_scope(*scopes: Scope) -> Callable[[Request], Awaitable[None]]:
    """A check for a route: without a file of keys everybody passes, else a key of one of these scopes is needed.

    Raises:
        KeyMissing, KeyInsufficient, RateExceeded: See `ApiKeys.allow`; before the body is read.
    """

    async def check(request: Request) -> None:
        keys = AppState.of(request.app).keys
        if keys is not None:
            request.state.key = keys.allow(_offered(request), *scopes)

    return check


def _offered(request: Request) -> str | None:
    """The key: as a token, in a header of its own, or as the password of a client that knows nothing else."""
    kind, _, credentials = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return credentials.strip()
    return request.headers.get("x-api-key") or (_password(credentials) if kind.lower() == "basic" else None)


def _password(credentials: str) -> str | None:
    try:
        decoded = base64.b64decode(credentials.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None
    return decoded.partition(":")[2]
