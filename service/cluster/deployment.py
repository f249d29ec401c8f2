"""The application of `service.server` as a deployment of Ray Serve: the same routes and bodies, in as many replicas as frames ask for.

    serve run service.cluster.deployment:build max_replicas=4 num_gpus=0.25

Each replica reads SMOKE_* where it runs. Replicas share their cameras in Redis: without it a camera's frames would count in several
places, so that more than one is refused. What listens is Ray's proxy, in place of `service.server.serve` and its limits.
"""

import asyncio
import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field
from ray import serve
from ray.serve import Application
from starlette.applications import Starlette

from service.api.state import AppState
from service.cluster.replica import replica_application
from service.errors import ChangeRefused, SettingsInvalid
from service.server.components import load
from service.settings import Settings

_LOG: Final = logging.getLogger("service.cluster")


class ClusterOptions(BaseModel):
    """How much of the cluster the service may take."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_replicas: int = Field(1, ge=1, description="Fewest replicas.")
    max_replicas: int = Field(1, ge=1, description="Most replicas; more than one needs SMOKE_REDIS_URL.")
    num_cpus: float = Field(1.0, ge=0, description="Cores that each replica claims.")
    num_gpus: float = Field(0.0, ge=0, le=1, description="The share of a GPU that each replica claims.")
    target_ongoing_requests: float = Field(4.0, gt=0, description="Requests in each replica beyond which one is added.")
    max_ongoing_requests: int = Field(32, ge=1, description="Most requests in a replica.")
    max_queued_requests: int = Field(64, ge=0, description="Most that wait for one, at each proxy; more get 429.")
    model_dir: Path | None = Field(None, description="Release that replicas change to.")


def build(options: ClusterOptions) -> Application:
    """What `serve run` and Serve's configuration files name; their arguments are the options.

    Raises:
        SettingsInvalid: Several replicas would share nothing.
        StartError: `model_dir` is no release that can be served; what is served goes on.
    """
    settings = Settings.load()
    if options.max_replicas > 1 and settings.redis_url is None:
        found = f"max_replicas: found {options.max_replicas} and no SMOKE_REDIS_URL"
        raise SettingsInvalid(f"{found}, expected the Redis in which replicas share their cameras")
    if options.model_dir:
        load(settings.model_copy(update={"model_dir": options.model_dir}))
    return serve.deployment(
        name="smoke",
        ray_actor_options={"num_cpus": options.num_cpus, "num_gpus": options.num_gpus},
        autoscaling_config={
            "min_replicas": options.min_replicas,
            "initial_replicas": options.min_replicas,
            "max_replicas": options.max_replicas,
            "target_ongoing_requests": options.target_ongoing_requests,
        },
        max_ongoing_requests=options.max_ongoing_requests,
        max_queued_requests=options.max_queued_requests,
        backpressure_config={"status_code": 429, "retry_after_s": 1},
        user_config={"model_dir": str(options.model_dir)} if options.model_dir else None,
        health_check_period_s=2,
        graceful_shutdown_timeout_s=settings.drain_s,
    )(Replica).bind()


@serve.ingress(replica_application)
class Replica:
    """One of the processes that answer."""

    app: Starlette

    async def reconfigure(self, user_config: Mapping[str, str]) -> None:
        """Change to the release `model_dir` while frames are answered: Ray calls this at the start, and when it is another.

        One that is not what it promises is refused in the log and the metrics, and the present one serves on: Ray would end a replica
        that raised here, and so all of them.
        """
        state = AppState.of(self.app)
        settings = state.settings.model_copy(update={"model_dir": Path(user_config["model_dir"])})
        try:
            await asyncio.to_thread(state.reloader.reload, partial(load, settings))
        except ChangeRefused as error:
            _LOG.error("not reloaded", extra={"detail": str(error)})

    async def check_health(self) -> None:
        """Ray replaces a replica that raises here. Raises RuntimeError where a restart would help."""
        if reason := AppState.of(self.app).unhealthy_reason:
            raise RuntimeError(reason)
