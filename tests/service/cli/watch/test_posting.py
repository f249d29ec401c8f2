"""What a server says, and what is made of it: answers, refusals, «later», no server at all."""

import asyncio
from typing import Any

import httpx2
import pytest

from service.cli.watch.posting import FramePoster
from service.sources.spec import CameraFrame
from service.sources.watched import FrameOutcome
from tests.service.sources.specs import spec_of

FRAME = CameraFrame(1777638600.25, b"picture")
REPLY = {"assessment": "smoke", "camera_id": "ridge", "alarm": {"state": "suspected"}}


def post(
    *answers: Any, view: str = "", told: list[Any] | None = None
) -> tuple[list[httpx2.Request], list[FrameOutcome]]:
    """Post a frame as often as there are answers; returns the requests, and what became of each."""
    requests: list[httpx2.Request] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        requests.append(request)
        answer = answers[len(requests) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def run() -> list[FrameOutcome]:
        transport = httpx2.MockTransport(handle)
        async with httpx2.AsyncClient(transport=transport, base_url="http://server/base") as client:
            replies = told if told is not None else []
            poster = FramePoster(client, spec_of("folder", "x", view=view), replies.append)
            return [await poster.post(FRAME) for _ in answers]

    return requests, asyncio.run(run())


def test_a_frame_goes_with_its_camera_view_and_time():
    told: list[Any] = []
    (request,), (answer,) = post(httpx2.Response(200, json=REPLY), view="east", told=told)
    assert request.url.path == "/base/segment"
    assert dict(request.url.params) == {
        "camera_id": "ridge",
        "view": "east",
        "outputs": "",
        "captured_at": "2026-05-01T12:30:00.250Z",
    }
    assert request.content == b"picture"
    assert answer == FrameOutcome("smoke, suspected")
    assert told == [REPLY]


@pytest.mark.parametrize("status", [429, 503])
def test_who_is_told_to_come_later_comes_then(status):
    _, (answer,) = post(httpx2.Response(status, headers={"Retry-After": "7"}, json={"detail": "found it full"}))
    assert answer == FrameOutcome(problem=f"found status {status}: found it full", pause_s=7.0)


@pytest.mark.parametrize("header", [{}, {"Retry-After": "Fri, 31 Dec 2027 23:59:59 GMT"}, {"Retry-After": "-3"}])
def test_later_without_seconds_is_after_five(header):
    _, (answer,) = post(httpx2.Response(503, headers=header))
    assert answer.pause_s == 5.0


@pytest.mark.parametrize("status", [400, 401, 404, 413, 422, 500, 504])
def test_a_refusal_is_final_and_said(status):
    _, (answer,) = post(httpx2.Response(status, json={"detail": "found this, expected that"}))
    assert answer == FrameOutcome(problem=f"found status {status}: found this, expected that")


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"assessment": "smoke", "alarm": 3}'])
def test_a_reply_that_is_none_is_said(body):
    _, (answer,) = post(httpx2.Response(200, content=body))
    assert answer == FrameOutcome(problem="found no reply to POST /segment, expected that of a smoke-bvm server")


def test_a_server_that_is_away_is_tried_again_after_growing_pauses():
    _, answers = post(*[httpx2.ConnectError("refused")] * 8, httpx2.Response(200, json=REPLY), httpx2.ConnectError("x"))
    pauses = [answer.pause_s for answer in answers]
    assert answers[0].problem == "found no answer of the server: ConnectError refused"
    assert 0.5 <= pauses[0] <= 1
    assert 15 <= pauses[7] <= 30
    assert pauses[8] == 0
    assert 0.5 <= pauses[9] <= 1
