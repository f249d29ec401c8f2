"""create_app: settings and a way to load the model in, an application out; its lifespan starts the threads and drains them."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import version
from typing import Final

from fastapi import Depends, FastAPI
from fastapi.security import HTTPBearer

from service.api import problems
from service.api.auth import ApiKeys
from service.api.metrics import Metrics, monitor_loop_lag
from service.api.middleware.access_log import AccessLogMiddleware
from service.api.middleware.admin_port import AdminPortMiddleware
from service.api.middleware.lingering_close import LingeringCloseMiddleware
from service.api.routes import cameras, docs, operations, segment
from service.api.state import AppState
from service.cameras.registry import Cameras
from service.cameras.snapshot import housekeeping
from service.notifications.outbox import Notifier
from service.pipeline.decode import Limits
from service.pipeline.pipeline import open_pipeline
from service.runtime.process import gpu_memory
from service.runtime.recovery import ModelRebuilder
from service.runtime.reload import Reloader
from service.runtime.slot import LoadedModel, ModelSlot
from service.scheduling.admission import AdmissionControl
from service.scheduling.service_time import ServiceTimeEstimator
from service.server import components
from service.settings import Settings

_DISCARD_FACTOR: Final = 2
_DISCARD_S: Final = 5.0


def create_app(settings: Settings, load: Callable[[], LoadedModel]) -> FastAPI:
    """Wire the service.

    Args:
        settings: Read once, passed inward as values.
        load: Loads and checks the release to serve (`components.load`), or gives a fake; called once here, and
            again for each reload.

    Returns:
        The application; `app.state.metrics` counts, `app.state.admission` is its door, `app.state.reloader` changes its model.

    Raises:
        StartError: The release cannot be loaded.
    """
    keys = ApiKeys.read(settings.api_keys_file) if settings.api_keys_file else None
    slot = ModelSlot(load(), settings.failures_max)
    metrics = Metrics(slot.model.identity)
    slot.on_change = lambda model: metrics.serving(model.identity)
    estimator = components.service_time_estimator(settings, slot.model)
    admission = AdmissionControl(components.in_flight_limits(settings), components.wait_policy(settings), estimator)
    notifier = _notifier(settings, metrics)
    cameras = components.cameras(
        settings, metrics.cameras, notifier, lambda rules: rules.check_rates(slot.model.manifest)
    )
    reloader = Reloader(slot, load, metrics.reloaded, lambda model: cameras.file.rules.check_rates(model.manifest))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with _started(settings, slot, metrics, admission, reloader, cameras, estimator) as state:
            app.state.wiring = state
            admission.open()
            async with (
                monitor_loop_lag(metrics.observe_lag),
                housekeeping(cameras, settings.state_file),
                notifier.running(),
            ):
                yield
            admission.drain()

    app = FastAPI(title="smoke-bvm", version=version("smoke-bvm"), docs_url=None, redoc_url=None, lifespan=lifespan)
    app.description = "Wildfire smoke in camera frames: where it is, and how sure that is."
    app.state.keys, app.state.admission, app.state.reloader, app.state.metrics = keys, admission, reloader, metrics
    _dress(app, settings, metrics)
    return app


def _notifier(settings: Settings, metrics: Metrics) -> Notifier:
    """Every channel counts from zero."""
    channels = components.channels(settings)
    for channel in channels:
        metrics.cameras.sends(channel.name)
    return Notifier(channels, metrics.cameras.notified)


def _dress(app: FastAPI, settings: Settings, metrics: Metrics) -> None:
    """Routes inside, then problem bodies, then the ports, then what every request gets."""
    _route(app, settings)
    problems.install(app)
    if settings.admin_port is not None:
        app.add_middleware(AdminPortMiddleware, private_port=settings.admin_port)
    app.add_middleware(AccessLogMiddleware, metrics=metrics)
    app.add_middleware(
        LingeringCloseMiddleware, discard_max_bytes=_DISCARD_FACTOR * settings.body_max_bytes, discard_s=_DISCARD_S
    )


def _route(app: FastAPI, settings: Settings) -> None:
    """Add the routes; where there are keys, the document says which routes ask for one."""
    shown = [Depends(HTTPBearer(auto_error=False))] if settings.api_keys_file else []
    app.include_router(operations.health)
    app.include_router(segment.router, dependencies=shown)
    app.include_router(operations.router, dependencies=shown)
    app.include_router(cameras.router, dependencies=shown)
    if settings.admin:
        app.include_router(operations.admin, dependencies=shown)
    app.router.routes.extend(docs.routes())


@contextmanager
def _started(
    settings: Settings,
    slot: ModelSlot,
    metrics: Metrics,
    admission: AdmissionControl,
    reloader: Reloader,
    cameras: Cameras,
    estimator: ServiceTimeEstimator,
) -> Iterator[AppState]:
    """Everything that has threads; leaving it finishes what was accepted."""
    with (
        ModelRebuilder(slot, metrics.rebuilt),
        open_pipeline(
            slot, components.worker_options(settings), Limits(settings.pixels_max), metrics.observe_batch, estimator
        ) as pipeline,
    ):
        state = AppState(settings, slot, pipeline, metrics, admission, reloader, cameras)
        metrics.watch(lambda: pipeline.queue_depth, lambda: state.ready, lambda: state.live)
        metrics.watch_admission(admission)
        metrics.watch_gpu(gpu_memory() if slot.model.identity.provider != "cpu" else None)
        yield state
