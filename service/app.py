"""create_app: settings and a model in, an application out; its lifespan starts the threads and drains them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Final

from fastapi import FastAPI

from service import documentation, problems
from service.envelope import Envelope
from service.image import Limits
from service.lifecycle import Lifecycle
from service.metrics import Metrics
from service.permits import Ceilings, Permits
from service.pipeline import Threads, open_pipeline
from service.prediction import Model
from service.routes import router
from service.settings import Settings
from service.wiring import Wiring

_DISCARD_FACTOR: Final = 2
_DISCARD_S: Final = 5.0


def create_app(settings: Settings, model: Model) -> FastAPI:
    """Wire the service.

    Args:
        settings: Read once, passed inward as values.
        model: Loaded and checked (`service.session.open_model`), or a fake.

    Returns:
        The application; `app.state.lifecycle` is its door.
    """
    metrics = Metrics(model.identity)
    lifecycle = Lifecycle(_permits(settings))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        limits = Limits(settings.pixels_max)
        with open_pipeline(model, Threads.of(settings), limits, metrics.observe_batch) as pipeline:
            app.state.wiring = wiring = Wiring(settings, model, pipeline, metrics, lifecycle)
            metrics.watch(lambda: pipeline.queue_depth, lambda: wiring.ready)
            metrics.watch_permits(lifecycle.permits)
            lifecycle.open()
            yield
            lifecycle.drain()

    app = FastAPI(title="smoke-bvm", version=version("smoke-bvm"), docs_url=None, redoc_url=None, lifespan=lifespan)
    app.description = "Wildfire smoke in camera frames: where it is, and how sure that is."
    app.state.lifecycle = lifecycle
    app.include_router(router)
    app.router.routes.extend(documentation.routes())
    problems.install(app)
    app.add_middleware(
        Envelope, metrics=metrics, discard_max_bytes=_DISCARD_FACTOR * settings.body_max_bytes, discard_s=_DISCARD_S
    )
    return app


def _permits(settings: Settings) -> Permits:
    return Permits(
        Ceilings(
            settings.requests_max,
            settings.camera_requests_max,
            settings.inflight_bytes_max,
            settings.inflight_pixels_max,
        )
    )
