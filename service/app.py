"""create_app: settings and a model in, an application out; its lifespan starts the threads and drains them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Final

from fastapi import FastAPI

from service import documentation, problems
from service.cores import cores
from service.envelope import Envelope
from service.image import Limits
from service.lifecycle import Lifecycle
from service.metrics import Metrics
from service.pipeline import open_pipeline
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
    lifecycle = Lifecycle(settings.requests_max)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        workers, limits = settings.workers or cores(), Limits(settings.pixels_max)
        with open_pipeline(model, workers, settings.queue_max, limits, metrics.observe_batch) as pipeline:
            app.state.wiring = wiring = Wiring(settings, model, pipeline, metrics, lifecycle)
            metrics.watch(lambda: pipeline.queue_depth, lambda: wiring.ready)
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
