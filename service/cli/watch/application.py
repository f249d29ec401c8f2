"""Where frames are answered: the application in this process, without a port, or a server."""

import importlib.util
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

import httpx2

from service.api.metrics import Metrics
from service.errors import SettingsInvalid
from service.settings import Settings

_TIMEOUT_S: Final = 90.0
"""Longer than a server takes to give an answer up (SMOKE_DEADLINE_S)."""


class Answering(NamedTuple):
    """Who answers frames, and its metrics where it is in this process."""

    client: httpx2.AsyncClient
    metrics: Metrics | None = None


@asynccontextmanager
async def embedded(settings: Settings) -> AsyncIterator[Answering]:
    """The application of `smoke-bvm serve` with its alarms, notifications and state; nobody from outside reaches it.

    Raises:
        SettingsInvalid: There is no onnxruntime, which whoever posts to a server does without.
    """
    if importlib.util.find_spec("onnxruntime") is None:
        raise SettingsInvalid("found no onnxruntime, expected smoke-bvm[cpu] or [gpu] beside [watch]; or --server URL")
    from service.api.state import AppState
    from service.server.app import create_app
    from service.server.components import load

    private = settings.model_copy(update={"api_keys_file": None, "admin": False, "admin_port": None})
    logging.getLogger("service.requests").setLevel(logging.WARNING)  # A line for each frame says nothing here.
    app = create_app(private, lambda: load(private))
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://watch", timeout=_TIMEOUT_S) as client:
            yield Answering(client, AppState.of(app).metrics)


@asynccontextmanager
async def posting(server: str, key: str | None) -> AsyncIterator[Answering]:
    """A server.

    Args:
        server: `http://HOST:PORT`.
        key: API key of scope `infer`; None where none is asked for.

    Raises:
        SettingsInvalid: The URL is none.
    """
    try:
        url = httpx2.URL(server)
    except httpx2.InvalidURL as error:
        raise SettingsInvalid(f"--server: found no URL ({error}), expected http://HOST:PORT") from None
    if url.scheme not in ("http", "https") or not url.host or url.userinfo:
        raise SettingsInvalid("--server: expected http://HOST:PORT or https://HOST, without name and password")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=_TIMEOUT_S, trust_env=False) as client:
        yield Answering(client)
