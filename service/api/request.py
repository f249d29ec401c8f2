"""From an HTTP request to a frame: what is known before its body is read, the body itself, and the deadline of it all."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.requests import Request

from service.api.body import boundary_of, check_media_type, read_body, take_frame
from service.api.query import SegmentQuery
from service.errors import DeadlineExceeded, DeadlineTooShort, ParameterInvalid
from service.scheduling.admission import Admission, AdmissionControl
from service.scheduling.context import RequestContext
from service.settings import Settings

_MANY: Final = "outputs"
Offload = Callable[[Callable[[], bytes]], Awaitable[bytes]]


def request_context(query: SegmentQuery, cost: int, deadline_ms: int | None, most_s: float) -> RequestContext:
    """What is known of a request that arrives now, of so many frames' work, and that the service gives `most_s` seconds at most."""
    arrived_s = time.perf_counter()
    wait_s = most_s if deadline_ms is None else min(deadline_ms / 1000.0, most_s)
    return RequestContext(
        query.camera_id,
        query.latest,
        arrived_s,
        deadline_s=arrived_s + wait_s,
        cost=cost,
        hurried=wait_s < most_s,
        view=query.view,
    )


def body_bytes(headers: Mapping[str, str], max_bytes: int) -> int:
    """The length that a body declares, as far as it is allowed; 0 where it declares none."""
    return min(_declared_bytes(headers) or 0, max_bytes)


async def read_frame(request: Request, settings: Settings, admission: Admission, offload: Offload) -> bytes:
    """Read the picture file that a request carries, as its body or as the only part of a form.

    Args:
        request: Its body was not touched yet.
        settings: Limits of bytes and time.
        admission: The request, which was let in; holds the body as it arrives.
        offload: Runs the taking apart of a form off the event loop.

    Raises:
        RequestError: One of its classes per cause.
    """
    content_type = request.headers.get("content-type", "")
    boundary = boundary_of(content_type)
    if boundary is None:
        check_media_type(content_type)
    declared_bytes = _declared_bytes(request.headers)
    chunks = _held(request.stream(), admission)
    body = await read_body(chunks, declared_bytes, settings.body_max_bytes, settings.body_timeout_s)
    admission.complete()
    return body if boundary is None else await offload(lambda: take_frame(body, boundary))


def read_query(request: Request) -> SegmentQuery:
    """The query of a frame. As a parameter of the route it would be read field by field, each asked for its type with every request.

    Raises:
        ParameterInvalid: A parameter that takes one value has several: nobody can tell which of two was meant.
        RequestValidationError: One has a value that it cannot have, or is unknown.
    """
    given: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        given.setdefault(name, []).append(value)
    if repeated := sorted(name[:32] for name, values in given.items() if name != _MANY and len({*values}) > 1):
        raise ParameterInvalid(f"found several values of {', '.join(repeated[:8])}, expected one each")
    chosen = {name: values if name == _MANY else values[0] for name, values in given.items()}
    try:
        return SegmentQuery.model_validate(chosen)
    except ValidationError as error:
        problems = error.errors(include_url=False)
        raise RequestValidationError([{**problem, "loc": ("query", *problem["loc"])} for problem in problems]) from None


def documented_query() -> list[dict[str, Any]]:
    """Its parameters, for the OpenAPI document."""
    schemas = SegmentQuery.model_json_schema()["properties"]
    about = {"in": "query", "required": False}
    return [
        {"name": name, **about, "schema": schema, "description": schema["description"]}
        for name, schema in schemas.items()
    ]


async def _held(chunks: AsyncIterator[bytes], admission: Admission) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        admission.arrived(len(chunk))
        yield chunk


@asynccontextmanager
async def until_deadline(context: RequestContext, door: AdmissionControl) -> AsyncIterator[None]:
    """Give up what is inside when the request's time is up.

    Raises:
        DeadlineExceeded: It was up.
        DeadlineTooShort: It was up, as was to be expected of so short a one.
    """
    try:
        async with asyncio.timeout(context.left_s) as limit:
            yield
    except (TimeoutError, DeadlineExceeded) as error:
        if isinstance(error, TimeoutError) and not limit.expired():
            raise
        wait_ms = 1000 * (context.deadline_s - context.arrived_s)
        cause = DeadlineTooShort if door.too_short(context) else DeadlineExceeded
        raise cause(f"found no answer after {wait_ms:g} ms, expected one by then") from None


def _declared_bytes(headers: Mapping[str, str]) -> int | None:
    declared = headers.get("content-length", "")
    return int(declared) if declared.isdecimal() and len(declared) < 20 else None
