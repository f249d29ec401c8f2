"""`POST /segment`: reads its request, asks the pipeline, tells the cameras, and answers."""

import time
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from service.api.auth import Scope, require_scope
from service.api.body import FORM, MEDIA_TYPES, PART, cancel_on_disconnect
from service.api.problems import documented
from service.api.query import SegmentQuery
from service.api.request import DEADLINE_MAX_MS, body_bytes, read_frame, request_context, until_deadline
from service.api.schemas.result import LatencyBody
from service.api.schemas.segment import SegmentResponse
from service.api.state import AppState, AppStateDep
from service.cameras.camera import AlarmStatus, FrameObservation
from service.pipeline.pipeline import Segmentation

router = APIRouter()

_BINARY: Final[dict[str, Any]] = {"type": "string", "format": "binary"}
_FORM: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {PART: _BINARY},
    "required": [PART],
    "additionalProperties": False,
}
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": "One frame as a JPEG, PNG or WebP file; the bytes themselves decide which. "
        "Or a form with such a file as its only part, `frame`.",
        "content": {**{media_type: {"schema": _BINARY} for media_type in MEDIA_TYPES}, FORM: {"schema": _FORM}},
    }
}
_ANSWER_HEADERS: Final[dict[str, Any]] = {
    "X-Request-ID": {"description": "The request's id, as in the log.", "schema": {"type": "string"}},
    "Server-Timing": {"description": "Milliseconds per stage.", "schema": {"type": "string"}},
}


Deadline = Annotated[
    int | None,
    Header(
        ge=1,
        le=DEADLINE_MAX_MS,
        description="Milliseconds after which the answer is of no use: 504 then, or 429 at once where the wait is too long.",
    ),
]


@router.post(
    "/segment",
    dependencies=[Depends(require_scope(Scope.INFER))],
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
    with state.admission.admit(context, expected_bytes, replaced) as admission:
        async with until_deadline(context):
            body = await read_frame(request, state.settings, admission, state.pipeline.offload)
            read_s = time.perf_counter() - context.arrived_s
            options = query.options(_false_alarm_rate(query, state))
            work = state.pipeline.segment(body, options, context, admission.hold_pixels)
            segmentation = await cancel_on_disconnect(request.receive, work)
            latency = LatencyBody.of(segmentation.stages, read_s, time.perf_counter() - context.arrived_s)
            return await _reply(request, query, state, segmentation, latency)


def _false_alarm_rate(query: SegmentQuery, state: AppState) -> float | None:
    """The camera's own rate, or that of the service."""
    own = state.cameras.file.rules.of(query.camera_id).false_alarm_rate if query.camera_id is not None else None
    return state.settings.false_alarm_rate if own is None else own


def _observe(query: SegmentQuery, state: AppState, segmentation: Segmentation) -> AlarmStatus | None:
    """Tell the cameras of an answered frame; one of no camera changes nothing."""
    if query.camera_id is None or segmentation.image_stats is None:
        return None
    manifest = state.slot.model.manifest
    frame = FrameObservation(
        query.captured_s,
        time.time(),
        segmentation.result,
        segmentation.map_px,
        segmentation.image_stats,
        tiled=segmentation.tiles is not None,
        threshold=segmentation.threshold.value,
    )
    return state.cameras.observe(query.camera_id, frame, manifest.reference or {})


async def _reply(
    request: Request, query: SegmentQuery, state: AppState, segmentation: Segmentation, latency: LatencyBody
) -> Response:
    """Build the body off the event loop, down to its bytes: base64 and JSON of a large map take their time."""
    alarm = _observe(query, state, segmentation)
    stages_ms = latency.model_dump()
    content = await state.pipeline.offload(
        lambda: (
            SegmentResponse.of(segmentation, latency, request.state.request_id, query, alarm).model_dump_json().encode()
        )
    )
    state.metrics.observe_stages({stage: value / 1000.0 for stage, value in stages_ms.items()})
    timing = ", ".join(f"{stage};dur={value:.3f}" for stage, value in stages_ms.items())
    return Response(content, headers={"Server-Timing": timing}, media_type="application/json")
