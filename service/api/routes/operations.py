"""For those who run the service: health probes, metrics, the model in service, and its change.

The probes are open to everybody. `/admin` is off unless switched on, and asks for a key of its own scope.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from fastapi import APIRouter, Depends, Response

from service import errors
from service.api.access import require_scope
from service.api.auth import Scope
from service.api.metrics import CONTENT_TYPE
from service.api.problems import CHANGE, ENTRY, described
from service.api.schemas.model import HealthBody, ReleaseBody
from service.api.state import AppState, AppStateDep
from service.runtime.model import Model
from service.scheduling.admission import Phase

health = APIRouter(prefix="/health")
router = APIRouter()
private = APIRouter()
admin = APIRouter(
    prefix="/admin",
    dependencies=[Depends(require_scope(Scope.ADMIN))],
    responses=described(*CHANGE),
    tags=["admin"],
)
_UNHEALTHY: Final[dict[int | str, dict[str, Any]]] = {503: {"model": HealthBody, "description": "Not now."}}


@health.head("/live", include_in_schema=False)
@health.get("/live", summary="Is the process well?", response_model=HealthBody, responses=_UNHEALTHY)
async def live(state: AppStateDep) -> Response:
    """503 when a restart would help: a runner has died, a batch hangs, the model or what sends the alarms failed too often in a row."""
    return _health(state.unhealthy_reason or "live", healthy=state.live)


@health.head("/ready", include_in_schema=False)
@health.get("/ready", summary="Would a frame be answered now?", response_model=HealthBody, responses=_UNHEALTHY)
async def ready(state: AppStateDep) -> Response:
    """503 while draining, and while a model that raised is being rebuilt."""
    return _health(state.readiness, healthy=state.ready)


@health.head("/startup", include_in_schema=False)
@health.get("/startup", summary="Has the service started?", response_model=HealthBody, responses=_UNHEALTHY)
async def startup(state: AppStateDep) -> Response:
    """200 once the model was verified, warmed up and held against its golden frame."""
    started = state.admission.phase is not Phase.STARTING
    return _health("started" if started else "starting", healthy=started)


def _health(status: str, *, healthy: bool) -> Response:
    return Response(HealthBody(status=status).model_dump_json(), 200 if healthy else 503, media_type="application/json")


@router.get(
    "/model",
    dependencies=[Depends(require_scope(Scope.INFER))],
    summary="The model in service",
    responses=described(*ENTRY),
)
async def model(state: AppStateDep) -> ReleaseBody:
    """Name, version, checksum, provider, and what the manifest promises."""
    return ReleaseBody.describe(state.slot.model, state.settings.false_alarm_rate)


@private.get(
    "/metrics",
    dependencies=[Depends(require_scope(Scope.METRICS))],
    summary="Metrics for Prometheus",
    responses=described(*ENTRY),
    response_class=Response,
)
async def metrics(state: AppStateDep) -> Response:
    """In Prometheus' text format."""
    # In a thread of its own: workers that are busy, or hang, must not hide it.
    return Response(await asyncio.to_thread(state.metrics.render), media_type=CONTENT_TYPE)


@admin.post("/reload", summary="Load the release that the settings name now, and read the files again")
async def reload(state: AppStateDep) -> ReleaseBody:
    """It is verified, warmed up and checked beside the present one, which serves on if anything is wrong with it.

    The files are those of keys, certificate and cameras, as on SIGHUP.
    """
    refused = state.files.reread()
    changed = await _change(state.reloader.reload, state)
    if refused:
        raise errors.FilesRefused(f"{'; '.join(refused)}; it stays as it was, and the model was loaded")
    return changed


@admin.post("/rollback", summary="Put the model that served before the last reload back into service")
async def rollback(state: AppStateDep) -> ReleaseBody:
    """It is still loaded, so that this takes effect with the next frame."""
    return await _change(state.reloader.rollback, state)


async def _change(change: Callable[[], Model], state: AppState) -> ReleaseBody:
    return ReleaseBody.describe(await asyncio.to_thread(change), state.settings.false_alarm_rate)
