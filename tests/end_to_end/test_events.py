"""`GET /events`, read by a client that parses the stream itself."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from service.api.auth import digest
from service.api.broadcast import Broadcast
from service.server.connection_limits import ConnectionLimits, limited
from tests.pictures import file_of, plume

PLUME = file_of(plume())
PNG = {"Content-Type": "image/png"}


@contextmanager
def reading(client: httpx2.Client, **options: Any) -> Iterator[Iterator[tuple[str, dict[str, Any]]]]:
    """The events of a stream: name and data."""
    # Shorter than the pause between heartbeats: an event that does not come fails the test.
    with client.stream("GET", "/events", timeout=10, **options) as answer:
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/event-stream; charset=utf-8")
        assert answer.headers["Cache-Control"] == "no-store"
        yield parsed(answer.iter_lines())


def parsed(lines: Iterator[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    name = ""
    for line in lines:
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        if field == "data":
            yield name, json.loads(value)


def send(client: httpx2.Client, camera_id: str) -> None:
    query = {"camera_id": camera_id, "outputs": ""}
    assert client.post("/segment", params=query, content=PLUME, headers=PNG).status_code == 200


def test_a_reader_gets_how_the_cameras_stand_and_then_what_each_frame_changes(start):
    server = start()
    with server.client() as client:
        send(client, "north")
        with reading(client) as events, server.client() as sender:
            assert next(events) == ("current", {"cameras": 1})
            name, before = next(events)
            send(sender, "north")
            _, after = next(events)
        assert name == "camera"
        assert client.get("/cameras/north").json() == {key: after[key] for key in after if key != "findings"}
        assert (before["alarm"]["frames"], after["alarm"]["frames"]) == (1, 2)
        assert [len(told["findings"]) for told in (before, after)] == [1, 1]
        found = after["findings"][0]
        assert found["area_fraction"] == 0.25
        assert found["arrived_at"] == after["last_frame_at"]
        assert found["novelty"] is None
        assert found["uncertainty"]["total"] == pytest.approx(
            sum(found["uncertainty"][part] for part in ("aleatoric", "epistemic"))
        )


def test_a_camera_that_is_forgotten_is_told(start):
    server = start(SMOKE_CAMERAS_MAX="1")
    with server.client() as client, reading(client) as events, server.client() as sender:
        for camera in ("one", "two", "three"):
            send(sender, camera)
        told = [next(events) for _ in range(5)]
    assert ("forgotten", {"camera_id": "two"}) in told


def test_readers_are_counted_and_one_that_hangs_up_is_no_longer(server):
    with server.client() as client, server.client() as other:
        with reading(other) as events:
            next(events)
            assert readers(client) == 1
        assert settled(lambda: readers(client) == 0)


def readers(client: httpx2.Client) -> float:
    (line,) = (line for line in client.get("/metrics").text.splitlines() if line.startswith("smoke_event_readers "))
    return float(line.split()[1])


def settled(holds: Any, most_s: float = 60.0) -> bool:
    until_s = time.monotonic() + most_s
    while not holds() and time.monotonic() < until_s:
        time.sleep(0.05)
    return bool(holds())


def test_it_asks_for_the_scope_that_reading_cameras_asks_for(start, tmp_path):
    keys = tmp_path / "keys.toml"
    keys.write_text(
        "".join(
            f'[[key]]\nname = "{scope}"\nsha256 = "{digest(scope)}"\nscopes = ["{scope}"]\n'
            for scope in ("infer", "metrics")
        )
    )
    server = start(SMOKE_API_KEYS_FILE=str(keys))
    with server.client() as client:
        assert client.get("/events").status_code == 401
        assert client.get("/events", headers={"X-API-Key": "metrics"}).status_code == 403
        with reading(client, headers={"X-API-Key": "infer"}) as events:
            assert next(events) == ("current", {"cameras": 0})


def test_sigterm_ends_the_stream_in_order_and_the_service_at_once(start):
    server = start(SMOKE_DRAIN_S="600")
    with server.client() as client, reading(client) as events:
        next(events)
        server.process.terminate()
        assert list(events) == []
        assert server.wait() == 0
    assert not [line for line in server.lines if "timeout graceful shutdown" in line]
    assert [line["status"] for line in server.log if line.get("path") == "/events"] == [200]


async def until(holds: Any) -> None:
    while not holds():  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0.01)


def test_a_reader_that_takes_nothing_holds_nobody_up_and_is_let_go():
    dropped: list[bool] = []
    closed: list[str] = []
    events = Broadcast(lambda: dropped.append(True))

    async def stream(_: Request) -> StreamingResponse:
        return StreamingResponse(events.read([b"first"]), media_type="text/event-stream")

    async def scenario() -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        protocol = limited(ConnectionLimits(10, 10.0, 0.5, 2**28), closed.append)
        app = Starlette(routes=[Route("/events", stream)])
        server = uvicorn.Server(uvicorn.Config(app, http=protocol, log_config=None, lifespan="off"))
        serving = asyncio.create_task(server.serve([listener]))
        with socket.create_connection(listener.getsockname()) as slow:
            slow.sendall(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
            await until(lambda: events.readers)
            while events.readers:
                events.publish(lambda: bytes(2000))
                await asyncio.sleep(0)
            await until(lambda: not server.server_state.connections)
        server.should_exit = True
        await serving

    asyncio.run(asyncio.wait_for(scenario(), 60))
    assert (len(dropped), closed) == (1, ["send_timeout"])


def test_there_is_a_bound_on_readers(server):
    from service.api.broadcast import READERS_MAX

    address = urlsplit(server.url)
    sockets = [socket.create_connection((address.hostname, address.port)) for _ in range(READERS_MAX)]
    try:
        for reader in sockets:
            reader.sendall(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
        with server.client() as client:
            assert settled(lambda: readers(client) == READERS_MAX)
            refused = client.get("/events")
            assert (refused.status_code, refused.headers["Retry-After"]) == (429, "30")
            assert f"expected fewer than {READERS_MAX}" in refused.json()["detail"]
            assert client.post("/segment", content=PLUME, headers=PNG).status_code == 200
    finally:
        for reader in sockets:
            reader.close()
