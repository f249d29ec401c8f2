"""Who may use a route: the key that a request offers, held against the scope that the route needs."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request

from service.api.auth import Scope
from service.api.state import AppState


def require_scope(scope: Scope) -> Callable[[Request], Awaitable[None]]:
    """A check for a route: without a file of keys everybody passes, else a key of this scope is needed.

    Raises:
        KeyMissing, KeyInsufficient, RateExceeded: See `ApiKeys.allow`; before the body is read.
    """

    async def check(request: Request) -> None:
        keys = AppState.of(request.app).keys
        if keys is not None:
            request.state.key = keys.allow(_offered(request), scope)

    return check


def _offered(request: Request) -> str | None:
    kind, _, credentials = request.headers.get("authorization", "").partition(" ")
    return credentials.strip() if kind.lower() == "bearer" else request.headers.get("x-api-key")
