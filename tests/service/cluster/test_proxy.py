"""What Ray's proxies say where no replica does: Ray itself has plain text, or ends the request without a word."""

import pytest
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.testclient import TestClient

from service.cluster.proxy import middleware


def through(app) -> TestClient:
    (around,) = middleware()
    return TestClient(around.cls(app, *around.args, **around.kwargs))


def test_a_frame_whose_replica_died_gets_503_and_when_to_come_again():
    async def dies(scope, receive, send) -> None:
        """As Ray's proxy does where an actor is gone."""

    reply = through(dies).post("/segment", headers={"X-Request-ID": "frame-1"})
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
    assert reply.json() == {
        "type": "urn:smoke-bvm:problem:replica_lost",
        "title": "Service Unavailable",
        "status": 503,
        "detail": "found the replica gone that had the frame, expected it to answer; send the frame again",
        "request_id": "frame-1",
    }
    assert reply.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("status", "said", "reason", "retry_after"),
    [
        (429, {"retry-after": "3"}, "service_full", "3"),
        (503, {}, "model_unavailable", "1"),
        (404, {}, "not_found", None),
        (408, {}, "request_timeout", None),
    ],
)
def test_a_refusal_of_rays_own_comes_as_the_services_do(status, said, reason, retry_after):
    reply = through(PlainTextResponse("Request dropped due to backpressure", status, said)).post("/segment")
    assert reply.status_code == status
    assert reply.json()["type"] == f"urn:smoke-bvm:problem:{reason}"
    assert reply.json()["request_id"] == reply.headers["x-request-id"]
    assert reply.headers.get("retry-after") == retry_after


@pytest.mark.parametrize("answer", [Response(b"frame", 200), JSONResponse({"status": "draining"}, 503)])
def test_what_a_replica_answered_stays_as_it_is(answer):
    reply = through(answer).post("/segment")
    assert (reply.status_code, reply.content) == (answer.status_code, answer.body)


def test_a_request_has_one_id_and_a_harmful_one_is_not_handed_on():
    seen = []

    async def like_ray(scope, receive, send) -> None:
        """Answers with the id that it was handed, which Ray adds again."""
        seen.extend(value.decode() for name, value in scope["headers"] if name == b"x-request-id")
        response = Response(b"answered", headers={"X-Request-ID": seen[-1]})
        response.headers.append("X-Request-ID", seen[-1])
        await response(scope, receive, send)

    client = through(like_ray)
    harmless, harmful = (client.post("/", headers={"X-Request-ID": name}) for name in ("frame-1", "<script>"))
    assert [reply.headers["x-request-id"] for reply in (harmless, harmful)] == seen
    assert seen[0] == "frame-1"
    assert seen[1].isalnum()
