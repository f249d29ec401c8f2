"""Exception -> status and RFC 9457 problem body; the only such table."""

from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any, Final, Self

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from service import errors
from service.validation import found_and_expected

MEDIA_TYPE: Final = "application/problem+json"
CLIENT_CLOSED_REQUEST: Final = 499
"""Seen by nobody but the log and the metrics: the caller has left."""

STATUS: Final[Mapping[type[errors.RequestError], int]] = {
    errors.BodyEmpty: HTTPStatus.BAD_REQUEST,
    errors.KeyMissing: HTTPStatus.UNAUTHORIZED,
    errors.KeyInsufficient: HTTPStatus.FORBIDDEN,
    errors.RateExceeded: HTTPStatus.TOO_MANY_REQUESTS,
    errors.FormBroken: HTTPStatus.BAD_REQUEST,
    errors.BodyTooSlow: HTTPStatus.REQUEST_TIMEOUT,
    errors.BodyTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.FrameTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.MediaTypeUnsupported: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.FormatUnsupported: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.NotAcceptable: HTTPStatus.NOT_ACCEPTABLE,
    errors.ParameterInvalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.FrameShapeExtreme: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.FrameAnimated: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.FrameModeUnsupported: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.FrameBroken: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.FrameTooSlow: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.ServiceFull: HTTPStatus.TOO_MANY_REQUESTS,
    errors.Superseded: HTTPStatus.CONFLICT,
    errors.ClientGone: CLIENT_CLOSED_REQUEST,
    errors.InferenceFailed: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.Draining: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.ModelUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.ReleaseRefused: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.FilesRefused: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.ReloadBusy: HTTPStatus.CONFLICT,
    errors.NothingToRollBack: HTTPStatus.CONFLICT,
    errors.CameraUnknown: HTTPStatus.NOT_FOUND,
    errors.AlarmUnknown: HTTPStatus.NOT_FOUND,
    errors.PictureUnknown: HTTPStatus.NOT_FOUND,
    errors.StateUnknown: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.FeedbackUnwritable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.DeadlineExceeded: HTTPStatus.GATEWAY_TIMEOUT,
    errors.DeadlineTooShort: HTTPStatus.GATEWAY_TIMEOUT,
}


ENTRY: Final = (errors.KeyMissing, errors.KeyInsufficient, errors.RateExceeded)
"""What may come of a key, on every route that asks for one."""
CHANGE: Final = (*ENTRY, *(cause for cause in STATUS if issubclass(cause, errors.ChangeRefused)))
"""What may come of a change of the model."""
FRAME: Final = tuple(cause for cause in STATUS if not issubclass(cause, errors.ChangeRefused | errors.CameraRefused))
"""What may come of a frame, with or without a key."""


class Problem(BaseModel):
    """An RFC 9457 problem."""

    type: str = Field(description="urn:smoke-bvm:problem:<reason>")
    title: str
    status: int
    detail: str = Field(description="What was found and what was expected.")
    request_id: str

    @classmethod
    def of(cls, status: int, reason: str, detail: str, request_id: str) -> Self:
        """From the status, the word for the cause, and what was found and expected."""
        about = {"type": f"urn:smoke-bvm:problem:{reason}", "title": _title(status)}
        return cls(**about, status=status, detail=detail, request_id=request_id)


def install(app: FastAPI) -> None:
    """Answer every refusal with a problem body; the document says of all that they are one and the same."""
    app.add_exception_handler(errors.RequestError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _unrouted)
    app.openapi = partial(_with_problem, app.openapi)  # type: ignore[method-assign]


def respond(
    status: int, reason: str, detail: str, request_id: str, headers: Mapping[str, str] | None = None
) -> Response:
    """A problem response."""
    body = Problem.of(status, reason, detail, request_id).model_dump_json()
    return Response(body, status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def described(*causes: type[errors.RequestError]) -> dict[int | str, dict[str, Any]]:
    """The problem responses for these causes, for the OpenAPI document."""
    reasons: dict[int, list[str]] = {500: ["internal"]}
    for cause in causes:
        reasons.setdefault(int(STATUS[cause]), []).append(cause.reason)
    content = {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{Problem.__name__}"}}}
    return {
        status: {"description": ", ".join(names), "content": content}
        for status, names in sorted(reasons.items())
        if status != CLIENT_CLOSED_REQUEST
    }


def _with_problem(document: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """FastAPI takes up only what is sent as application/json; this is what the responses refer to."""
    described = document()
    components = described.get("components", {})
    schemas = {**components.get("schemas", {}), Problem.__name__: Problem.model_json_schema()}
    return {**described, "components": {**components, "schemas": schemas}}


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.RequestError)  # noqa: S101 - what Starlette dispatches on
    headers = {"Retry-After": str(error.retry_after_s)} if isinstance(error, errors.ServiceFull) else {}
    if isinstance(error, errors.Draining | errors.ModelUnavailable):
        headers = {"Retry-After": "5"}
    if isinstance(error, errors.KeyMissing):
        headers = {"WWW-Authenticate": 'Bearer realm="smoke-bvm"'}  # an offer of Basic has browsers ask for a password
    if error.__cause__ is not None and isinstance(error, errors.InferenceFailed):
        request.state.cause = error.__cause__
    return _answer(request, int(STATUS[type(error)]), error.reason, str(error), headers)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    detail = "; ".join(_in_words(problem) for problem in error.errors()[:8])
    return _answer(request, HTTPStatus.UNPROCESSABLE_ENTITY, errors.ParameterInvalid.reason, detail, {})


async def _unrouted(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    reason = _title(error.status_code).lower().replace(" ", "_")
    headers, asked = error.headers or {}, f"{request.method} {request.url.path[:200]}"
    detail = error.detail
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        detail = f"found {asked}, expected {headers.get('Allow', 'another method')}"
    elif error.status_code == HTTPStatus.NOT_FOUND:
        detail = f"found no route for {asked}, expected one of those under /docs"
    return _answer(request, error.status_code, reason, detail, headers)


def _answer(request: Request, status: int, reason: str, detail: str, headers: Mapping[str, str]) -> Response:
    """The response; its reason is left for the log and the metrics."""
    request.state.reason = reason
    return respond(status, reason, detail, request.state.request_id, headers)


def _in_words(problem: Mapping[str, Any]) -> str:
    """One refused parameter: its name, what was found, what was expected."""
    name = ".".join(str(part)[:64] for part in problem["loc"][1:]) or "request"
    if problem["type"] == "extra_forbidden":
        return f"{name}: found an unknown parameter, expected only documented ones"
    return f"{name}: {found_and_expected(problem)}"


def _title(status: int) -> str:
    return HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Client Closed Request"
