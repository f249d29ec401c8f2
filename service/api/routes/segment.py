"""`POST /segment`: reads its request, asks the pipeline, tells the cameras, and answers."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Final
from zlib import crc32

from fastapi import APIRouter, Depends, Header, Request, Response

from service.api.accept import JSON, NPZ, REPLY_TYPES, reply_type
from service.api.access import require_scope
from service.api.answer import Answer
from service.api.auth import Scope
from service.api.body import FORM, MEDIA_TYPES, PARTS, cancel_on_disconnect
from service.api.problems import FRAME, described
from service.api.query import DEADLINE_MAX_MS, NEVER_NULL, SegmentQuery
from service.api.request import (
    body_bytes,
    documented_query,
    read_frame,
    read_query,
    request_context,
    until_deadline,
)
from service.api.schemas.result import LatencyBody
from service.api.schemas.segment import SegmentResponse
from service.api.state import AppState, AppStateDep
from service.cameras.clock import Stamp
from service.errors import RequestError
from service.pipeline.tiling import CloseUpCount
from service.pipeline.workers import Rank

router = APIRouter()

_BINARY: Final[dict[str, Any]] = {"type": "string", "format": "binary"}
_FORM: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {PARTS[0]: _BINARY},
    "required": [PARTS[0]],
    "additionalProperties": False,
}
_REQUEST: Final[dict[str, Any]] = {
    "parameters": documented_query(),
    "requestBody": {
        "required": True,
        "description": "One frame as a JPEG, PNG or WebP file; the bytes themselves decide which. "
        f"Or a form with such a file as its only part, `{PARTS[0]}` (`{'` or `'.join(PARTS[1:])}` will do).",
        "content": {**{media_type: {"schema": _BINARY} for media_type in MEDIA_TYPES}, FORM: {"schema": _FORM}},
    },
}
_ANSWER_HEADERS: Final[dict[str, Any]] = {
    "X-Request-ID": {"description": "The request's id, as in the log.", "schema": {"type": "string"}},
    "Server-Timing": {"description": "Milliseconds per stage.", "schema": {"type": "string"}},
    "X-Smoke-Assessment": {"description": "As in JSON, in replies of other types.", "schema": {"type": "string"}},
    "X-Smoke-Alarm": {"description": "The alarm's state likewise, with camera_id.", "schema": {"type": "string"}},
}
_ANSWER: Final = (
    "The findings. By `Accept`: `application/json`, which is the default, or the files as they are. `multipart/mixed`: JSON without "
    "each `data`, then a part for each file, named as the output. `application/x-npz`: all maps in one .npz file. `image/png`: the "
    "only map asked for."
)
_FILES: Final[dict[str, Any]] = {media_type: {"schema": _BINARY} for media_type in REPLY_TYPES if media_type != JSON}


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
    dependencies=[Depends(require_scope(Scope.INFER))],
    summary="Find smoke in one camera frame",
    response_model=SegmentResponse,
    responses={200: {"description": _ANSWER, "headers": _ANSWER_HEADERS, "content": _FILES}, **described(*FRAME)},
    openapi_extra=_REQUEST,
)
async def segment(request: Request, state: AppStateDep, x_deadline_ms: Deadline = None) -> Response:
    """Post the bytes of a JPEG, PNG or WebP file; the reply says if there is smoke, where, and how sure that is."""
    query = read_query(request)
    options = query.options(_false_alarm_rate(query, state))
    media_type = reply_type(request.headers.get("accept", ""), options)
    if media_type == NPZ:
        options = replace(options, encoding="npz")
    context = request_context(query, options.frames, x_deadline_ms, state.settings.deadline_s)
    expected_bytes = body_bytes(request.headers, state.settings.body_max_bytes)
    replaced = state.pipeline.replaced_cost(context)
    admitted = state.admission.admit(context, expected_bytes, replaced)
    with _refusals_counted(query.camera_id, state), admitted as admission:
        async with until_deadline(context, state.admission):
            body = await read_frame(request, state.settings, admission, state.pipeline.offload)
            read_s = time.perf_counter() - context.arrived_s
            work = state.pipeline.segment(body, options, context, admission.hold_pixels)
            segmentation = await cancel_on_disconnect(request.receive, work)
            latency = LatencyBody.of(segmentation.stages, read_s, time.perf_counter() - context.arrived_s)
            stamp = Stamp(query.captured_s, time.time(), crc32(body) if query.captured_s is not None else 0)
            alarm = await state.cameras.take(query.camera_id, query.view or "", stamp, segmentation)
            answer = Answer(segmentation, latency, request.state.request_id, query, alarm)
            if query.camera_id is not None and alarm is not None:
                state.alarms.take(query.camera_id, answer.alarm_frame(body, stamp, alarm))
            return await _respond(state, answer, media_type)


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


async def _respond(state: AppState, answer: Answer, media_type: str) -> Response:
    """Build the body, a large one off the event loop; a small one takes less time than waking a thread does."""
    stages_ms = answer.latency.model_dump()
    made = partial(answer.content, media_type)
    content, content_type = made() if answer.small else await state.pipeline.offload(made, Rank.FINISH)
    state.metrics.observe_stages({stage: value / 1000.0 for stage, value in stages_ms.items()})
    state.metrics.observe_close_ups(answer.segmentation.close_ups or CloseUpCount(0, 0))
    timing = ", ".join(f"{stage};dur={value:.3f}" for stage, value in stages_ms.items())
    told = {} if media_type == JSON else answer.headers()
    return Response(content, headers={"Server-Timing": timing, **told}, media_type=content_type)
