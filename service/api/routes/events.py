"""`GET /events`: how every camera stands, then each change as it happens, as server-sent events."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from fastapi import APIRouter, Depends, Response
from fastapi.responses import StreamingResponse

from service import errors
from service.api.access import require_scope
from service.api.auth import Scope
from service.api.broadcast import READERS_MAX, Broadcast, sse
from service.api.problems import ENTRY, described
from service.api.schemas.cameras import CameraEventBody
from service.api.state import AppStateDep
from service.cameras.camera import Camera
from service.cameras.registry import Cameras
from service.scheduling.admission import Phase

router = APIRouter(tags=["cameras"])
_MEDIA_TYPE: Final = "text/event-stream"
_RETRY_S: Final = 30
_STREAM: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "`current`: how many cameras follow. `camera`: one of them, and from then on each one after each of its "
        "frames, and where its alarm is taken on or ends; its data is the body of the webhook `camera-event`. `forgotten`: "
        "`camera_id` of one that is no longer remembered. Comments in between keep the connection open.",
        "content": {_MEDIA_TYPE: {"schema": {"type": "string"}}},
    }
}


@router.get(
    "/events",
    dependencies=[Depends(require_scope(Scope.INFER))],
    summary="Cameras as they change, as server-sent events",
    response_class=StreamingResponse,
    responses={**_STREAM, **described(*ENTRY, errors.ServiceFull, errors.Draining)},
)
async def events(state: AppStateDep) -> Response:
    """The stream ends after 15 minutes, when the service stops, and for a reader that falls behind; come again, it begins anew."""
    if state.admission.phase is Phase.DRAINING:
        raise errors.Draining("found the service stopping, expected it to run; come again")
    if state.events.readers >= READERS_MAX:
        found = f"found {state.events.readers} readers of events, expected fewer than {READERS_MAX}"
        raise errors.ServiceFull(found, _RETRY_S)
    stream = state.events.read(_current(state.cameras))
    return StreamingResponse(stream, media_type=_MEDIA_TYPE, headers={"X-Accel-Buffering": "no"})


def publish_changes(cameras: Cameras, events: Broadcast) -> None:
    """Have readers told of each frame of a camera, and of each one that is forgotten."""
    cameras.on_update = lambda camera: events.publish(lambda: _camera(camera, newest=1))
    cameras.on_forget = lambda camera: events.publish(lambda: sse("forgotten", json.dumps({"camera_id": camera.id})))


def _current(cameras: Iterable[Camera]) -> Iterator[bytes]:
    """As of when the first is asked for: from then on a reader is told of changes."""
    known = list(cameras)
    yield sse("current", json.dumps({"cameras": len(known)}))
    yield from (_camera(camera, newest=len(camera.recent)) for camera in known)


def _camera(camera: Camera, newest: int) -> bytes:
    return sse("camera", CameraEventBody.after(camera, newest).model_dump_json())
