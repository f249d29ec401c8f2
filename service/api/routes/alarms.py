"""`/alarms`: what was raised, when and where, and what it looked like. Whoever may read cameras may read it."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Response
from fastapi import Path as PathParameter

from service import errors
from service.alarms.record import LATEST, AlarmRecord, KeptFile, Role
from service.api.access import require_scope
from service.api.auth import Scope
from service.api.problems import ENTRY, described
from service.api.query import NEVER_NULL
from service.api.routes.cameras import CameraId
from service.api.schemas.alarms import AlarmRecordBody, AlarmsBody
from service.api.state import AppState, AppStateDep
from service.cameras.alarm import ALARM_ID

router = APIRouter(tags=["alarms"], dependencies=[Depends(require_scope(Scope.INFER))])
_LIST: Final = described(*ENTRY, errors.ParameterInvalid)
_ONE: Final = described(*ENTRY, errors.ParameterInvalid, errors.AlarmUnknown)
_FILE: Final = (*ENTRY, errors.ParameterInvalid, errors.AlarmUnknown, errors.PictureUnknown)
_HEADERS: Final = {"Cache-Control": "private, no-cache", "Content-Security-Policy": "default-src 'none'; sandbox"}
AlarmId = Annotated[str, PathParameter(pattern=ALARM_ID)]
Limit = Annotated[int, Query(ge=1, le=100, description="Most alarms on a page.")]
Before = Annotated[
    str | None, NEVER_NULL, Query(pattern=ALARM_ID, description="Only those raised before the alarm with this id.")
]
Which = Annotated[Role, Query(description="Of its first frame, that with the most smoke, or the latest one.")]


@router.get("/alarms", summary="Every alarm, the newest first", responses=_LIST)
async def alarms(state: AppStateDep, limit: Limit = 20, before: Before = None) -> AlarmsBody:
    """Also those that have ended, within SMOKE_ALARMS_MAX and SMOKE_ALARM_DAYS."""
    return _page(state, limit, before, None)


@router.get("/cameras/{camera_id}/alarms", summary="Alarms of a camera, the newest first", responses=_LIST)
async def camera_alarms(
    camera_id: CameraId, state: AppStateDep, limit: Limit = 20, before: Before = None
) -> AlarmsBody:
    """None of a camera that never had one."""
    return _page(state, limit, before, camera_id)


@router.get("/alarms/{alarm_id}", summary="One alarm", responses=_ONE)
async def one_alarm(alarm_id: AlarmId, state: AppStateDep) -> AlarmRecordBody:
    """When, where, how strong, what people said of it, and which of its frames are kept."""
    return AlarmRecordBody.of(_known(state, alarm_id))


def _file_response(media_type: str, schema: Mapping[str, Any]) -> dict[int | str, dict[str, Any]]:
    return {200: {"description": "The file.", "content": {media_type: {"schema": schema}}}, **described(*_FILE)}


_JPEG: Final = _file_response("image/jpeg", {"type": "string", "format": "binary"})
_JSON: Final = _file_response("application/json", {"$ref": "#/components/schemas/SegmentResponse"})


@router.get(
    "/alarms/{alarm_id}/frame.jpg", summary="A photograph of an alarm", response_class=Response, responses=_JPEG
)
async def frame(alarm_id: AlarmId, state: AppStateDep, which: Which = LATEST) -> Response:
    """As it came, or made a JPEG."""
    return await _file(state, alarm_id, which, "frame.jpg", "image/jpeg")


@router.get(
    "/alarms/{alarm_id}/overlay.jpg",
    summary="The same with the smoke's outline",
    response_class=Response,
    responses=_JPEG,
)
async def overlay_picture(alarm_id: AlarmId, state: AppStateDep, which: Which = LATEST) -> Response:
    """The smoke at the threshold that was in force, tinted and outlined."""
    return await _file(state, alarm_id, which, "overlay.jpg", "image/jpeg")


@router.get("/alarms/{alarm_id}/reply.json", summary="What was answered then", response_class=Response, responses=_JSON)
async def reply(alarm_id: AlarmId, state: AppStateDep, which: Which = LATEST) -> Response:
    """The reply to the frame, without maps."""
    return await _file(state, alarm_id, which, "reply.json", "application/json")


def _page(state: AppState, limit: int, before: str | None, camera_id: str | None) -> AlarmsBody:
    found = state.alarms.index.newest(limit + 1, before, camera_id)
    shown = found[:limit]
    return AlarmsBody(
        alarms=[AlarmRecordBody.of(record) for record in shown],
        next=shown[-1].id if len(found) > limit else None,
        keeps_pictures=state.settings.alarm_dir is not None,
    )


def _known(state: AppState, alarm_id: str) -> AlarmRecord:
    record = state.alarms.index.get(alarm_id)
    if record is None:
        raise errors.AlarmUnknown(f"found no alarm {alarm_id}, expected one that GET /alarms lists")
    return record


async def _file(state: AppState, alarm_id: str, which: Role, name: KeptFile, media_type: str) -> Response:
    _known(state, alarm_id)
    content = await state.alarms.file(alarm_id, which, name)
    if content is None:
        raise errors.PictureUnknown(_why_none(state, alarm_id, which))
    return Response(content, headers=_HEADERS, media_type=media_type)


def _why_none(state: AppState, alarm_id: str, which: Role) -> str:
    if state.settings.alarm_dir is None:
        return "found that no pictures are kept, expected SMOKE_ALARM_DIR to be set"
    return f"found no {which} frame of alarm {alarm_id}, expected one that could be written; the log says why"
