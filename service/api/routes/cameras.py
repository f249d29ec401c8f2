"""`/cameras`: how every camera stands, and what people say of its alarms. An `infer` key reads; judging takes an `admin` key."""

import asyncio
import json
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from fastapi import Path as PathParameter
from pydantic import ValidationError

from service import errors
from service.api.auth import Scope, require_scope
from service.api.body import read_body
from service.api.problems import described
from service.api.schemas.cameras import CameraBody, CamerasBody, Feedback, FeedbackBody
from service.api.state import AppStateDep
from service.cameras.alarm import AlarmState
from service.cameras.camera import CAMERA_ID, Camera
from service.runtime.model import ModelInfo
from service.timestamps import instant

router = APIRouter(prefix="/cameras", tags=["cameras"])
_FEEDBACK_MAX_BYTES: Final = 4096
_WRITING: Final = threading.Lock()
_ENTRY: Final = (errors.KeyMissing, errors.KeyInsufficient, errors.RateExceeded)
_ONE: Final = (*_ENTRY, errors.CameraUnknown, errors.ParameterInvalid)
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": Feedback.model_json_schema()}},
    }
}
CameraId = Annotated[str, PathParameter(pattern=CAMERA_ID)]


@router.get(
    "", dependencies=[Depends(require_scope(Scope.INFER))], summary="Every camera", responses=described(*_ENTRY)
)
async def cameras(state: AppStateDep) -> CamerasBody:
    """Alarms first, then what waits for review, then the rest by name."""
    known = sorted(state.cameras, key=lambda camera: (_urgency(camera), camera.id))
    return CamerasBody(cameras=[CameraBody.of(camera) for camera in known], cameras_file_error=state.cameras.file.error)


@router.get(
    "/{camera_id}", dependencies=[Depends(require_scope(Scope.INFER))], summary="One camera", responses=described(*_ONE)
)
async def camera(camera_id: CameraId, state: AppStateDep) -> CameraBody:
    """What its last frames amount to."""
    found = state.cameras.get(camera_id)
    if found is None:
        raise errors.CameraUnknown(f"found no frame of camera {camera_id}, expected a camera that sent one")
    return CameraBody.of(found)


@router.post(
    "/{camera_id}/feedback",
    dependencies=[Depends(require_scope(Scope.ADMIN))],
    summary="Say whether an alarm was one",
    responses=described(*_ONE, errors.BodyEmpty, errors.BodyTooLarge, errors.BodyTooSlow),
    openapi_extra=_BODY,
)
async def feedback(camera_id: CameraId, request: Request, state: AppStateDep) -> FeedbackBody:
    """It is counted, and appended to SMOKE_FEEDBACK_FILE where there is one."""
    found = state.cameras.get(camera_id)
    if found is None:
        raise errors.CameraUnknown(f"found no frame of camera {camera_id}, expected a camera that sent one")
    said = await _read(request, state.settings.body_timeout_s)
    file = state.settings.feedback_file
    if file is not None:
        entry = record(said, found, state.slot.model.identity, time.time())
        await asyncio.to_thread(entry.append, file)
    state.cameras.judge(found, said.verdict)
    return FeedbackBody(camera_id=camera_id, verdict=said.verdict, written=file is not None)


async def _read(request: Request, timeout_s: float) -> Feedback:
    body = await read_body(request.stream(), None, _FEEDBACK_MAX_BYTES, timeout_s)
    try:
        return Feedback.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part)[:32] for part in first["loc"]) or "body"
        raise errors.ParameterInvalid(f"{name}: found {str(first['input'])[:64]!r}, {first['msg']}") from None


def _urgency(camera: Camera) -> int:
    return (AlarmState.ALARM, AlarmState.REVIEW, AlarmState.SUSPECTED, AlarmState.CLEAR).index(camera.alarm.state)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: what was said, when, of which camera in which state, and which model had answered."""

    line: dict[str, Any]

    def append(self, file: Path) -> None:
        """Append it; one write a line, so that no line is torn. Raises OSError."""
        data = json.dumps(self.line, ensure_ascii=True) + "\n"
        with _WRITING, file.open("a", encoding="ascii") as stream:
            stream.write(data)


def record(said: Feedback, camera: Camera, identity: ModelInfo, now_s: float) -> Entry:
    """The line of a piece of feedback; what `smoke-bvm-train calibrate` reads of it is where the alarm would have been silent."""
    body, alarm = CameraBody.of(camera), camera.alarm
    return Entry(
        {
            "at": instant(now_s),
            "camera_id": body.camera_id,
            **said.model_dump(),
            "alarm": body.alarm.model_dump(mode="json"),
            "assessment": body.assessment,
            "regions": [region.model_dump() for region in body.regions],
            "model": asdict(identity),
            "threshold": camera.threshold,
            "silent_above": None if alarm.state is AlarmState.REVIEW else alarm.silent_above or None,
        }
    )
