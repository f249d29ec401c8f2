"""`POST /segment`: reads its request, asks the pipeline, tells the cameras, and answers."""

import time
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from service.api.access import require_scope
from service.api.auth import Scope
from service.api.body import FORM, MEDIA_TYPES, PARTS, cancel_on_disconnect
from service.api.problems import documented
from service.api.query import NEVER_NULL, SegmentQuery, refuse_repeats
from service.api.request import DEADLINE_MAX_MS, body_bytes, read_frame, request_context, until_deadline
from service.api.schemas.result import LatencyBody
from service.api.schemas.segment import SegmentResponse
from service.api.state import AppState, AppStateDep
from service.pipeline.pipeline import Segmentation

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
        description="Milliseconds after which the answer is of no use: 504 then, or 429 at once where the line is too long.",
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
    ticket = request_context(query, x_deadline_ms, state.settings)
    expected_bytes = body_bytes(request.headers, state.settings.body_max_bytes)
    with state.lifecycle.admit(expected_bytes, ticket) as inside:
        async with until_deadline(ticket, state.lifecycle.line):
            body = await read_frame(request, state.settings, inside, state.pipeline.offload)
            read_s = time.perf_counter() - ticket.arrived_s
            work = state.pipeline.segment(body, query.options(), ticket, inside.place.hold_pixels)
            segmentation = await cancel_on_disconnect(request.receive, work)
            latency = LatencyBody.of(segmentation.stages, read_s, time.perf_counter() - ticket.arrived_s)
            return await _reply(request, query, state, segmentation, latency)


async def _reply(
    request: Request, query: SegmentQuery, state: AppState, segmentation: Segmentation, latency: LatencyBody
) -> Response:
    """Build the body off the event loop, down to its bytes: base64 and JSON of a large map take their time."""
    alarm = state.cameras.take(query.camera_id, query.captured_s, time.time(), segmentation)
    stages_ms = latency.model_dump()
    content = await state.pipeline.offload(
        lambda: (
            SegmentResponse.of(segmentation, latency, request.state.request_id, query, alarm).model_dump_json().encode()
        )
    )
    state.metrics.observe_stages({stage: value / 1000.0 for stage, value in stages_ms.items()})
    timing = ", ".join(f"{stage};dur={value:.3f}" for stage, value in stages_ms.items())
    return Response(content, headers={"Server-Timing": timing}, media_type="application/json")
