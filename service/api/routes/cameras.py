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

from fastapi import APIRouter, Depends, Query, Request
from fastapi import Path as PathParameter
from pydantic import ValidationError

from service import errors
from service.alarms.record import AlarmRecord, Judgement
from service.api.access import require_scope
from service.api.auth import Scope
from service.api.body import read_body
from service.api.problems import ENTRY, described
from service.api.query import NEVER_NULL
from service.api.schemas.cameras import CameraBody, CamerasBody, Feedback, FeedbackBody
from service.api.state import AppState, AppStateDep
from service.cameras.alarm import AlarmState
from service.cameras.camera import Camera
from service.cameras.metrics import OTHER
from service.files import append
from service.runtime.model import ModelInfo
from service.timestamps import instant
from service.validation import CAMERA_ID, in_words

router = APIRouter(prefix="/cameras", tags=["cameras"])
_LOG = logging.getLogger("service.cameras")
_FEEDBACK_MAX_BYTES: Final = 4096
_WRITING: Final = threading.Lock()
_ONE: Final = (*ENTRY, errors.CameraUnknown, errors.ParameterInvalid)
_EXPECTED: Final = {
    "": f"a JSON object of {', '.join(Feedback.model_fields)}",
    "verdict": "true_alarm or false_alarm",
    "alarm_id": "the id of an alarm, as GET /alarms has it",
    "request_id": "at most 64 characters",
    "captured_at": "at most 64 characters",
    "note": "at most 500 characters",
}
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": Feedback.model_json_schema()}},
    }
}
CameraId = Annotated[str, PathParameter(pattern=CAMERA_ID)]
By = Annotated[
    str | None,
    NEVER_NULL,
    Query(min_length=1, max_length=64, description="Who takes it on; the name of the key by default."),
]


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
    "/{camera_id}/acknowledge",
    dependencies=[Depends(require_scope(Scope.OPERATOR, Scope.ADMIN))],
    summary="Take a camera's alarm on",
    responses=described(*_ONE, errors.AlarmUnknown, errors.StateUnknown),
)
async def acknowledge(camera_id: CameraId, request: Request, state: AppStateDep, by: By = None) -> CameraBody:
    """It stays an alarm. Webhook and MQTT say who has taken it on, and nothing more of it until it ends; the first to do so stays."""
    found = _known(state, camera_id)
    if found.alarm.state is not AlarmState.ALARM:
        raise errors.AlarmUnknown(f"found camera {camera_id} in state {found.alarm.state}, expected it in alarm")
    named = by or str(getattr(request.state, "key", "unknown"))
    after = await state.cameras.acknowledge(found, named, time.time())
    state.alarms.reconcile()
    return CameraBody.of(after)


@router.post(
    "/{camera_id}/feedback",
    dependencies=[Depends(require_scope(Scope.OPERATOR, Scope.ADMIN))],
    summary="Say whether an alarm was one",
    responses=described(*_ONE, errors.BodyEmpty, errors.BodyTooLarge, errors.BodyTooSlow, errors.FeedbackUnwritable),
    openapi_extra=_BODY,
)
async def feedback(camera_id: CameraId, request: Request, state: AppStateDep) -> FeedbackBody:
    """It is counted, stands with the alarm, and is appended to SMOKE_FEEDBACK_FILE where there is one.

    An alarm can be judged for as long as it is listed, also when its camera is forgotten.
    """
    said = await _read(request, state.settings.body_timeout_s)
    alarm = _judged(state, camera_id, said)
    found = state.cameras.get(camera_id) or (Camera(camera_id, OTHER) if alarm else _known(state, camera_id))
    file, now_s = state.settings.feedback_file, time.time()
    if file is not None:
        model = found.model or state.slot.model.identity
        await _write(_entry(said, found, model, now_s) | _of_alarm(alarm, found), file, state)
    state.cameras.judge(found, said.verdict)
    if alarm is not None:
        state.alarms.judge(alarm.id, Judgement(verdict=said.verdict, at_s=now_s, note=said.note))
    alarm_id = alarm.id if alarm else None
    return FeedbackBody(camera_id=camera_id, verdict=said.verdict, written=file is not None, alarm_id=alarm_id)


def _judged(state: AppState, camera_id: str, said: Feedback) -> AlarmRecord | None:
    """The alarm that is meant: the one named, that of the frame named, or the camera's present or last one; none for a review."""
    alarms, camera = state.alarms.index, state.cameras.get(camera_id)
    if said.alarm_id is not None:
        alarm = alarms.get(said.alarm_id)
        if alarm is None or alarm.camera_id != camera_id:
            raise errors.AlarmUnknown(f"found no alarm {said.alarm_id} of camera {camera_id}, expected a listed one")
        return alarm
    of_frame = alarms.of_frame(camera_id, said.request_id) if said.request_id else None
    if of_frame is not None or camera is None or camera.alarm.state is AlarmState.REVIEW:
        return of_frame
    return alarms.get(camera.alarm.id or "")


def _of_alarm(alarm: AlarmRecord | None, camera: Camera) -> dict[str, Any]:
    """What a line says of an alarm that is known; of an earlier one than the camera's last its own numbers, not the camera's."""
    if alarm is None:
        return {}
    if alarm.id == camera.alarm.id:
        return {"alarm_id": alarm.id}
    return {
        "alarm_id": alarm.id,
        "alarm": {"state": AlarmState.ALARM, "since": instant(alarm.started_s), "score": alarm.score, "id": alarm.id},
        "model": asdict(alarm.model) if alarm.model else None,
        "threshold": alarm.threshold,
        "silent_above": alarm.silent_above or None,
        "assessment": None,
        "regions": [],
    }


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
        raise errors.ParameterInvalid(in_words(error, _EXPECTED)) from None


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
    with _WRITING:
        append(json.dumps(line, ensure_ascii=True).encode() + b"\n", file)
