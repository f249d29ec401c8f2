"""Health probes: open to everybody, answered from the state of the threads and of the model."""

from typing import Any, Final

from fastapi import APIRouter, Response

from service.api.schemas.model import HealthBody
from service.api.state import Wired
from service.scheduling.admission import Phase

router = APIRouter(prefix="/health")
_UNWELL: Final[dict[int | str, dict[str, Any]]] = {503: {"model": HealthBody, "description": "Not now."}}


@router.get("/live", summary="Is the process well?", response_model=HealthBody, responses=_UNWELL)
async def live(wiring: Wired) -> Response:
    """503 when a restart would help: a runner has died, a batch hangs, or the model failed too often in a row."""
    return _health(wiring.ailment or "live", well=wiring.live)


@router.get("/ready", summary="Would a frame be answered now?", response_model=HealthBody, responses=_UNWELL)
async def ready(wiring: Wired) -> Response:
    """503 while draining, and while a model that raised is being rebuilt."""
    return _health(wiring.condition, well=wiring.ready)


@router.get("/startup", summary="Has the service started?", response_model=HealthBody, responses=_UNWELL)
async def startup(wiring: Wired) -> Response:
    """200 once the model was verified, warmed up and held against its golden frame."""
    started = wiring.lifecycle.phase is not Phase.STARTING
    return _health("started" if started else "starting", well=started)


def _health(status: str, *, well: bool) -> Response:
    return Response(HealthBody(status=status).model_dump_json(), 200 if well else 503, media_type="application/json")
