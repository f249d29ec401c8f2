"""A refusal of an upload that is still coming: what is waited for, and what is not."""

import asyncio

import pytest
from starlette.responses import PlainTextResponse

from service.api.middleware.lingering_close import LingeringCloseMiddleware

POST = {"type": "http", "method": "POST", "path": "/segment", "query_string": b""}
PARTS = [{"type": "http.request", "body": b"a", "more_body": more} for more in (True, True, False)]


def refused(headers: list[tuple[bytes, bytes]], arriving: list[dict]) -> tuple[int, list[dict]]:
    """Refuse an upload of which this arrives and then nothing; returns how much was read, and what was answered."""
    left, sent = list(arriving), []

    async def receive() -> dict:
        if not left:
            await asyncio.Event().wait()
        return left.pop(0)

    async def send(message: dict) -> None:
        sent.append(message)

    async def run() -> None:
        app = LingeringCloseMiddleware(PlainTextResponse("no", 413), discard_max_bytes=100, discard_s=3600.0)
        async with asyncio.timeout(20):
            await app({**POST, "headers": headers}, receive, send)

    asyncio.run(run())
    return len(arriving) - len(left), sent


@pytest.mark.parametrize(
    ("headers", "arriving", "read"),
    [([], PARTS, 3), ([(b"expect", b"100-continue")], [], 0)],
    ids=["one that is on its way", "one that waits to be told to come"],
)
def test_an_upload_is_read_to_its_end_before_the_refusal_ends_unless_it_does_not_come_unasked(headers, arriving, read):
    taken, sent = refused(headers, arriving)
    assert taken == read
    assert sent[0]["status"] == 413
    assert b"".join(message.get("body", b"") for message in sent) == b"no"
    assert not sent[-1].get("more_body", False)
