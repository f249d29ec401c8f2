"""What runs in a replica: the application, on the cores that it claims, and a port of its own for what is about one replica alone.

Behind Ray's proxy nobody chooses the replica that answers. So where SMOKE_ADMIN_PORT is set (0: a free port for each replica), each
listens there too, for `/metrics` and `/admin`, and `GET /replicas` tells Prometheus where (`http_sd_configs`).
"""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial
from typing import Any, Final

import cv2
import ray
import uvicorn
from ray import serve
from ray.experimental.internal_kv import _internal_kv_get, _internal_kv_list, _internal_kv_put
from ray.util import list_named_actors
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from service.api.access import require_scope
from service.api.auth import Scope
from service.api.state import AppState
from service.runtime.process import limit_heap
from service.server.app import create_app
from service.server.components import load
from service.server.logs import start_logging
from service.server.serve import bind
from service.settings import Settings

_ANYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104 - compared with, not listened on
_ANNOUNCED: Final = "smoke-bvm-replicas"
"""Where in the cluster's own store the replicas write down their ports."""


def replica_application() -> Starlette:
    """The whole service, as a replica begins: the settings are read where it runs.

    Raises:
        StartError: See `create_app`, and `bind`.
    """
    limit_heap()
    cv2.setNumThreads(1)
    settings = _on_claimed_cores(Settings.load())
    start_logging(settings.log_level, "text" if settings.log_format == "text" else "json")
    if settings.admin_port is None:
        return create_app(settings, partial(load, settings))
    listener = bind(settings.admin_host, settings.admin_port)
    settings = settings.model_copy(update={"admin_port": listener.getsockname()[1]})
    app = create_app(settings, partial(load, settings))
    app.router.routes.append(Route("/replicas", _replicas))
    app.router.lifespan_context = partial(_listening, listener, app.router.lifespan_context)
    return app


def _on_claimed_cores(settings: Settings) -> Settings:
    """Beside other replicas a machine's cores are not all ours: no more threads than cores were claimed, where nothing else is said."""
    claimed = max(1, int(ray.get_runtime_context().get_assigned_resources().get("CPU", 1)))
    return settings.model_copy(update={name: getattr(settings, name) or claimed for name in ("threads", "workers")})


async def _replicas(request: Request) -> Response:
    """Where every replica's own port is, as `http_sd_configs` reads it; asks for a key as `/metrics` does."""
    await require_scope(Scope.METRICS)(request)
    return JSONResponse(await asyncio.to_thread(_targets))


def _announce(settings: Settings) -> None:
    """Write down where this replica's own port is: asking a replica that is full would take as long as a frame waits there."""
    host = ray.util.get_node_ip_address() if settings.admin_host in _ANYWHERE else settings.admin_host
    address = f"[{host}]:{settings.admin_port}" if ":" in host else f"{host}:{settings.admin_port}"
    replica = serve.get_replica_context().replica_id.unique_id
    told = {"targets": [address], "labels": {"replica": replica}}
    _internal_kv_put(replica, json.dumps(told), namespace=_ANNOUNCED)


def _targets() -> list[dict[str, Any]]:
    """What the replicas wrote down that live."""
    living = {actor["name"].rpartition("#")[2].encode() for actor in list_named_actors(all_namespaces=True)}
    known = [name for name in _internal_kv_list("", namespace=_ANNOUNCED) if name in living]
    return [json.loads(_internal_kv_get(name, namespace=_ANNOUNCED)) for name in known]


@asynccontextmanager
async def _listening(
    listener: socket.socket, lifespan: Callable[[Starlette], AbstractAsyncContextManager[object]], app: Starlette
) -> AsyncIterator[None]:
    """The application's own lifespan, within which the replica's port is listened on."""
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, access_log=False, server_header=False))
    server.capture_signals = nullcontext  # type: ignore[method-assign, assignment]  # signals are Ray's here
    async with lifespan(app):
        serving = asyncio.create_task(server.serve([listener]))
        await asyncio.to_thread(_announce, AppState.of(app).settings)
        try:
            yield
        finally:
            server.should_exit = True
            await serving
