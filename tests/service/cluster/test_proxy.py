"""What Ray's proxies answer where a replica died: Ray itself ends the request without a word."""

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from service.cluster.proxy import middleware


def through(app) -> TestClient:
    (around,) = middleware()
    return TestClient(around.cls(app, *around.args, **around.kwargs))


def test_a_frame_whose_replica_died_gets_503_and_when_to_come_again():
    async def dies(scope, receive, send) -> None:
        """As Ray's proxy does where an actor is gone."""

    reply = through(dies).post("/segment")
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
    assert reply.json()["type"] == "urn:smoke-bvm:problem:replica_lost"


@pytest.mark.parametrize("status", [200, 429, 500])
def test_what_was_answered_stays_as_it_is(status):
    reply = through(PlainTextResponse("an answer", status)).post("/segment")
    assert (reply.status_code, reply.text) == (status, "an answer")
