"""create_app: settings and a way to load the model in, an application out; its lifespan starts the threads and drains them."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from importlib.metadata import version
from typing import Final

from fastapi import Depends, FastAPI
from fastapi.security import HTTPBearer

from service.api import problems
from service.api.broadcast import Broadcast
from service.api.middleware.access_log import AccessLogMiddleware
from service.api.middleware.admin_port import AdminPortMiddleware
from service.api.middleware.lingering_close import LingeringCloseMiddleware
from service.api.reread import RereadFiles
from service.api.routes import alarms, cameras, events, operations, segment, webhooks
from service.api.routes.events import publish_changes
from service.api.state import AppState
from service.cameras.housekeeping import housekeeping
from service.notifications.notifier import Notifier
from service.runtime.process import gpu_memory
from service.runtime.recovery import ModelRebuilder
from service.runtime.reload import Reloader
from service.runtime.slot import LoadedModel, ModelSlot
from service.runtime.supervision import Supervisor
from service.server import components
from service.server.loop_lag import monitor_loop_lag
from service.server.named_files import check_files
from service.settings import Settings
from service.web.docs import docs_routes
from service.web.page import page_routes

_DISCARD_FACTOR: Final = 2
_DISCARD_S: Final = 5.0


def create_app(settings: Settings, load: Callable[[], LoadedModel]) -> FastAPI:
    """Put the parts of the service together.

    Args:
        settings: Read once, passed inward as values.
        load: Loads and checks the release to serve (`components.load`), or gives a fake; called once here, and
            again for each reload.

    Returns:
        The application; `AppState.of` gives its parts.

    Raises:
        StartError: The release cannot be loaded, or a file not be written.
    """
    check_files(settings)
    slot = ModelSlot(load(), settings.failures_max)
    metrics = components.instruments(slot)
    supervisor = Supervisor(metrics.background)
    estimator = components.service_time_estimator(settings, slot.model)
    cameras, notifier = components.camera_registry(
        settings, metrics, supervisor, lambda rules: rules.check(slot.model.manifest)
    )
    keys = components.keys(settings)
    state = AppState(
        settings=settings,
        keys=keys,
        slot=slot,
        metrics=metrics,
        admission=components.admission_control(settings, estimator),
        reloader=Reloader(slot, load, metrics.reloaded, lambda model: cameras.file.rules.check(model.manifest)),
        files=RereadFiles(settings, keys, cameras.file),
        cameras=cameras,
        alarms=components.alarm_archive(settings, cameras, metrics, supervisor, notifier),
        events=Broadcast(metrics.reader_dropped),
        pipeline=components.pipeline(settings, slot, metrics, estimator),
        supervisor=supervisor,
    )
    _watch(state)
    publish_changes(cameras, state.events)
    return _application(state, _lifespan(state, notifier))


def _watch(state: AppState) -> None:
    """What is read at each scrape."""
    metrics, pipeline = state.metrics, state.pipeline
    metrics.watch(lambda: pipeline.queue_depth, lambda: state.ready, lambda: state.live)
    metrics.watch_admission(state.admission)
    metrics.watch_readers(lambda: state.events.readers)
    cameras_file = state.cameras.file
    if state.settings.cameras_file is not None:
        metrics.watch_file("cameras", lambda: cameras_file.error is None, lambda: cameras_file.read_s)
    metrics.watch_gpu(gpu_memory() if state.slot.model.identity.provider != "cpu" else None)


def _lifespan(state: AppState, notifier: Notifier) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Threads and background tasks; leaving it finishes what was accepted."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with ModelRebuilder(state.slot, state.metrics.rebuilt), state.pipeline:
            state.admission.open()
            async with (
                monitor_loop_lag(state.metrics.observe_lag, supervisor=state.supervisor),
                housekeeping(
                    state.cameras,
                    state.settings.state_file,
                    supervisor=state.supervisor,
                    undelivered=notifier.undelivered,
                    report=partial(state.metrics.file_written, "state"),
                ),
                notifier.running(),
                state.alarms.running(),
            ):
                yield
            state.admission.drain()

    return lifespan


def _application(state: AppState, lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]]) -> FastAPI:
    """Routes inside, then problem bodies, then the ports, then what every request gets."""
    app = FastAPI(
        title="smoke-bvm",
        version=version("smoke-bvm"),
        description="Wildfire smoke in camera frames: where it is, and how sure that is.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        webhooks=webhooks.router,
    )
    app.state.app_state = state
    settings = state.settings
    _route(app, settings)
    problems.install(app)
    if settings.admin_port is not None:
        app.add_middleware(AdminPortMiddleware, private_port=settings.admin_port)
    app.add_middleware(AccessLogMiddleware, metrics=state.metrics)
    app.add_middleware(
        LingeringCloseMiddleware, discard_max_bytes=_DISCARD_FACTOR * settings.body_max_bytes, discard_s=_DISCARD_S
    )
    return app


def _route(app: FastAPI, settings: Settings) -> None:
    """Add the routes; where there are keys, the document says which routes ask for one."""
    shown = [Depends(HTTPBearer(auto_error=False))] if settings.api_keys_file else []
    app.include_router(operations.health)
    app.include_router(segment.router, dependencies=shown)
    app.include_router(operations.router, dependencies=shown)
    app.include_router(cameras.router, dependencies=shown)
    app.include_router(alarms.router, dependencies=shown)
    app.include_router(events.router, dependencies=shown)
    # The document is served on the public port, where these are not once they have a port of their own.
    public = settings.admin_port is None
    app.include_router(operations.private, dependencies=shown, include_in_schema=public)
    if settings.admin:
        app.include_router(operations.admin, dependencies=shown, include_in_schema=public)
    app.router.routes.extend([*page_routes(), *docs_routes()])
