"""`/cameras`: how every camera stands, and what people say of its alarms. An `infer` key reads; an `operator` key judges."""

import asyncio
import json
import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from fastapi import Path as PathParameter
from pydantic import ValidationError

from service import errors
from service.api.access import require_scope
from service.api.auth import Scope
from service.api.body import read_body
from service.api.problems import ENTRY, described
from service.api.schemas.cameras import CameraBody, CamerasBody, Feedback, FeedbackBody
from service.api.state import AppState, AppStateDep
from service.cameras.alarm import AlarmState
from service.cameras.camera import CAMERA_ID, Camera
from service.runtime.model import ModelInfo
from service.timestamps import instant

router = APIRouter(prefix="/cameras", tags=["cameras"])
_LOG = logging.getLogger("service.cameras")
_FEEDBACK_MAX_BYTES: Final = 4096
_WRITING: Final = threading.Lock()
_ONE: Final = (*ENTRY, errors.CameraUnknown, errors.ParameterInvalid)
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": Feedback.model_json_schema()}},
    }
}
CameraId = Annotated[str, PathParameter(pattern=CAMERA_ID)]


@router.get("", dependencies=[Depends(require_scope(Scope.INFER))], summary="Every camera", responses=described(*ENTRY))
async def cameras(state: AppStateDep) -> CamerasBody:
    """Alarms first, then what waits for review, then the rest by name."""
    known = sorted(state.cameras, key=lambda camera: (-camera.alarm.state.urgency, camera.id))
    return CamerasBody(cameras=[CameraBody.of(camera) for camera in known], cameras_file_error=state.cameras.file.error)


@router.get(
    "/{camera_id}", dependencies=[Depends(require_scope(Scope.INFER))], summary="One camera", responses=described(*_ONE)
)
async def camera(camera_id: CameraId, state: AppStateDep) -> CameraBody:
    """What its last frames amount to."""
    return CameraBody.of(_known(state, camera_id))


@router.post(
    "/{camera_id}/feedback",
    dependencies=[Depends(require_scope(Scope.OPERATOR, Scope.ADMIN))],
    summary="Say whether an alarm was one",
    responses=described(*_ONE, errors.BodyEmpty, errors.BodyTooLarge, errors.BodyTooSlow, errors.FeedbackUnwritable),
    openapi_extra=_BODY,
)
async def feedback(camera_id: CameraId, request: Request, state: AppStateDep) -> FeedbackBody:
    """It is counted, and appended to SMOKE_FEEDBACK_FILE where there is one."""
    found = _known(state, camera_id)
    said = await _read(request, state.settings.body_timeout_s)
    file = state.settings.feedback_file
    if file is not None:
        model = found.model or state.slot.model.identity
        await _write(_entry(said, found, model, time.time()), file, state)
    state.cameras.judge(found, said.verdict)
    return FeedbackBody(camera_id=camera_id, verdict=said.verdict, written=file is not None)


def _known(state: AppState, camera_id: str) -> Camera:
    camera = state.cameras.get(camera_id)
    if camera is None:
        raise errors.CameraUnknown(f"found no frame of camera {camera_id}, expected a camera that sent one")
    return camera


async def _write(line: Mapping[str, Any], file: Path, state: AppState) -> None:
    try:
        await asyncio.to_thread(_append, line, file)
    except OSError as error:
        _LOG.error("feedback cannot be written", extra={"file": str(file), "error": str(error)})
        state.metrics.file_written("feedback", ok=False)
        raise errors.FeedbackUnwritable(
            "found no way to write the feedback down, expected one; say it again later"
        ) from error
    state.metrics.file_written("feedback", ok=True)


async def _read(request: Request, timeout_s: float) -> Feedback:
    body = await read_body(request.stream(), None, _FEEDBACK_MAX_BYTES, timeout_s)
    try:
        return Feedback.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part)[:32] for part in first["loc"]) or "body"
        raise errors.ParameterInvalid(f"{name}: found {str(first['input'])[:64]!r}, {first['msg']}") from None


def _entry(said: Feedback, camera: Camera, model: ModelInfo, now_s: float) -> dict[str, Any]:
    """What was said, when, of which camera in which state, and which model had answered.

    What `smoke-bvm-train calibrate` reads of it is above which threshold the alarm would have been silent.
    """
    body, alarm = CameraBody.of(camera), camera.alarm
    return {
        "at": instant(now_s),
        "camera_id": body.camera_id,
        **said.model_dump(),
        "alarm": body.alarm.model_dump(mode="json"),
        "assessment": body.assessment,
        "regions": [region.model_dump() for region in body.regions],
        "model": asdict(model),
        "threshold": camera.threshold,
        "silent_above": None if alarm.state is AlarmState.REVIEW else alarm.silent_above or None,
    }


def _append(line: Mapping[str, Any], file: Path) -> None:
    """One write a line, so that no line is torn. Raises OSError."""
    data = json.dumps(line, ensure_ascii=True) + "\n"
    with _WRITING, file.open("a", encoding="ascii") as stream:
        stream.write(data)
