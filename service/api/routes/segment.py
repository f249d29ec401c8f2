"""`POST /segment`: reads its request, asks the pipeline, tells the cameras, and answers."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from service.alarms.pictures import AlarmFrame
from service.api.access import require_scope
from service.api.auth import Scope
from service.api.body import FORM, MEDIA_TYPES, PARTS, cancel_on_disconnect
from service.api.problems import documented
from service.api.query import NEVER_NULL, SegmentQuery, refuse_repeats
from service.api.request import DEADLINE_MAX_MS, body_bytes, read_frame, request_context, until_deadline
from service.api.schemas.result import LatencyBody
from service.api.schemas.segment import SegmentResponse
from service.api.state import AppState, AppStateDep
from service.cameras.camera import AlarmStatus
from service.cameras.clock import Stamp
from service.errors import RequestError
from service.pipeline.pipeline import Segmentation
from service.pipeline.render import Rendering

router = APIRouter()

_BINARY: Final[dict[str, Any]] = {"type": "string", "format": "binary"}
_FORM: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {PARTS[0]: _BINARY},
    "required": [PARTS[0]],
    "additionalProperties": False,
}
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": "One frame as a JPEG, PNG or WebP file; the bytes themselves decide which. "
        f"Or a form with such a file as its only part, `{PARTS[0]}` (`{'` or `'.join(PARTS[1:])}` will do).",
        "content": {**{media_type: {"schema": _BINARY} for media_type in MEDIA_TYPES}, FORM: {"schema": _FORM}},
    }
}
_ANSWER_HEADERS: Final[dict[str, Any]] = {
    "X-Request-ID": {"description": "The request's id, as in the log.", "schema": {"type": "string"}},
    "Server-Timing": {"description": "Milliseconds per stage.", "schema": {"type": "string"}},
}


Deadline = Annotated[
    int | None,
    NEVER_NULL,
    Header(
        ge=1,
        le=DEADLINE_MAX_MS,
        description="Milliseconds after which the answer is of no use: 504 then, or 429 at once where the wait is too long.",
    ),
]


@router.post(
    "/segment",
    dependencies=[Depends(require_scope(Scope.INFER)), Depends(refuse_repeats)],
    summary="Find smoke in one camera frame",
    response_model=SegmentResponse,
    responses={200: {"description": "The findings.", "headers": _ANSWER_HEADERS}, **documented()},
    openapi_extra=_BODY,
)
async def segment(
    request: Request, query: Annotated[SegmentQuery, Query()], state: AppStateDep, x_deadline_ms: Deadline = None
) -> Response:
    """Post the bytes of a JPEG, PNG or WebP file; the reply says if there is smoke, where, and how sure that is."""
    context = request_context(query, x_deadline_ms, state.settings)
    expected_bytes = body_bytes(request.headers, state.settings.body_max_bytes)
    replaced = state.pipeline.replaced_cost(context)
    admitted = state.admission.admit(context, expected_bytes, replaced)
    with _refusals_counted(query.camera_id, state), admitted as admission:
        async with until_deadline(context, state.admission):
            body = await read_frame(request, state.settings, admission, state.pipeline.offload)
            read_s = time.perf_counter() - context.arrived_s
            options = query.options(_false_alarm_rate(query, state))
            work = state.pipeline.segment(body, options, context, admission.hold_pixels)
            segmentation = await cancel_on_disconnect(request.receive, work)
            latency = LatencyBody.of(segmentation.stages, read_s, time.perf_counter() - context.arrived_s)
            stamp = Stamp(query.captured_s, time.time(), hash(body) if query.captured_s is not None else 0)
            alarm = state.cameras.take(query.camera_id, query.view or "", stamp, segmentation)
            answer = _Answer(segmentation, latency, request.state.request_id, query, alarm)
            if query.camera_id is not None and alarm is not None:
                state.alarms.take(query.camera_id, answer.alarm_frame(body, stamp))
            return await _respond(state, answer)


def _false_alarm_rate(query: SegmentQuery, state: AppState) -> float | None:
    """The rate of the camera, as of the view that it shows, or else that of the service."""
    if query.camera_id is None:
        return state.settings.false_alarm_rate
    own = state.cameras.file.rules.of(query.camera_id, query.view or "").false_alarm_rate
    return state.settings.false_alarm_rate if own is None else own


@contextmanager
def _refusals_counted(camera_id: str | None, state: AppState) -> Iterator[None]:
    """Count a frame that gets no answer for its camera."""
    try:
        yield
    except Exception as error:
        if camera_id is not None:
            state.cameras.refused(camera_id, error.reason if isinstance(error, RequestError) else "internal")
        raise


@dataclass(frozen=True, slots=True)
class _Answer:
    """All that the reply says."""

    segmentation: Segmentation
    latency: LatencyBody
    request_id: str
    query: SegmentQuery
    alarm: AlarmStatus | None

    def json(self) -> bytes:
        """The reply's body; takes its time."""
        told = SegmentResponse.of(self.segmentation, self.latency, self.request_id, self.query, self.alarm)
        return told.model_dump_json().encode()

    def alarm_frame(self, body: bytes, stamp: Stamp) -> AlarmFrame:
        """The frame as it is kept, if there is an alarm, with the reply without maps."""
        bare = replace(self, segmentation=replace(self.segmentation, rendering=Rendering({}, None, None, None)))
        counted = self.alarm is not None and self.alarm.arrival.counts
        return AlarmFrame(body, bare.segmentation, self.request_id, stamp, counted, bare.json)


async def _respond(state: AppState, answer: _Answer) -> Response:
    """Build the body off the event loop, down to its bytes: base64 and JSON of a large map take their time."""
    stages_ms = answer.latency.model_dump()
    content = await state.pipeline.offload(answer.json)
    state.metrics.observe_stages({stage: value / 1000.0 for stage, value in stages_ms.items()})
    timing = ", ".join(f"{stage};dur={value:.3f}" for stage, value in stages_ms.items())
    return Response(content, headers={"Server-Timing": timing}, media_type="application/json")
