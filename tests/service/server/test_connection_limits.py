"""The limits of a connection, on real sockets with an application of three lines."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest
import uvicorn

from service.api.problems import Problem
from service.server.connection_limits import (
    HEADER_TIMEOUT,
    HEADER_TOO_LARGE,
    MALFORMED,
    NO_ROOM,
    ConnectionLimits,
    limited,
)

GET = b"GET / HTTP/1.1\r\nHost: x\r\n"
LARGE = bytes(2**25)
Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


async def application(scope, receive, send) -> None:
    """Answers `ok`, or 32 MiB at /large, what its client has sent at /echo, after that was all at /body, and nothing at /never."""
    sent, message = b"", {"more_body": scope["path"] in ("/body", "/echo")}
    while message.get("more_body"):
        message = await receive()
        sent += message.get("body", b"")
    if scope["path"] == "/never":
        while (await receive())["type"] != "http.disconnect":
            pass
    body = {"/large": LARGE, "/echo": sent}.get(scope["path"], b"ok")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def serving(
    scenario: Callable[[Connect], Awaitable[None]], reports: list[str] | None = None, **chosen: float
) -> list[str]:
    """Run a scenario against a server; returns why connections were closed."""
    reports = [] if reports is None else reports
    buffer_bytes = int(chosen.pop("buffer_bytes", 2**16))
    usual = {"connections_max": 64, "header_timeout_s": 20.0, "send_timeout_s": 20.0, "unread_max_bytes": 2**30}
    limits = ConnectionLimits(**{**usual, **chosen})

    async def run() -> None:
        class Protocol(limited(limits, reports.append)):
            def connection_made(self, transport) -> None:
                super().connection_made(transport)
                transport.set_write_buffer_limits(high=buffer_bytes)

        protocol = Protocol
        config = uvicorn.Config(application, http=protocol, lifespan="off", log_config=None, ws="none")
        config.load()
        state = uvicorn.server.ServerState()
        server = await asyncio.get_running_loop().create_server(lambda: protocol(config, state, {}), "127.0.0.1", 0)
        writers: list[asyncio.StreamWriter] = []

        async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writers.append(writer)
            return reader, writer

        async with server:
            await asyncio.wait_for(scenario(connect), 30)
            ended = [*(connection.transport for connection in state.connections), *(w.transport for w in writers)]
            for transport in ended:
                transport.abort()
            await asyncio.sleep(0.05)

    asyncio.run(run())
    return reports


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Send a request over a connection that stays open; returns the status line."""
    writer.write(GET + b"\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    await reader.readuntil(b"0\r\n\r\n")
    return head.partition(b"\r\n")[0]


async def closed_with(reader: asyncio.StreamReader) -> bytes:
    return (await reader.read()).partition(b"\r\n")[0]


@pytest.mark.parametrize("sent", [b"nonsense\r\n\r\n", b"\x16\x03\x01\x02\x00", b"GET / HTTP/1.1\r\nNo colon\r\n\r\n"])
def test_what_is_no_http_is_refused_with_a_problem_body_like_anything_else(sent):
    async def scenario(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(sent)
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\n")
        problem = Problem.model_validate_json(body)
        assert (problem.status, problem.type) == (400, "urn:smoke-bvm:problem:malformed")
        assert f"X-Request-ID: {problem.request_id}".encode() in head

    assert serving(scenario) == [MALFORMED]


@pytest.mark.parametrize("sent", [b"", b"G", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "])
def test_a_header_that_does_not_come_is_given_up_while_others_are_served(sent):
    async def scenario(connect: Connect) -> None:
        slow, writer = await connect()
        writer.write(sent)
        assert await ask(*await connect()) == b"HTTP/1.1 200 OK"
        assert await closed_with(slow) == b"HTTP/1.1 408 Request Timeout"

    assert serving(scenario, header_timeout_s=1.0)[:1] == [HEADER_TIMEOUT]


def test_a_header_that_dribbles_in_is_given_up_too():
    async def scenario(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(GET)
        told = asyncio.create_task(closed_with(reader))
        while not told.done():
            writer.write(b"X-Slow: 1\r\n")
            await asyncio.sleep(0.02)
        with contextlib.suppress(ConnectionError):  # where a line crossed with the answer
            assert await told == b"HTTP/1.1 408 Request Timeout"

    assert HEADER_TIMEOUT in serving(scenario, header_timeout_s=0.3)


def test_the_second_header_of_a_connection_is_timed_like_the_first():
    async def scenario(connect: Connect) -> None:
        reader, writer = await connect()
        assert await ask(reader, writer) == b"HTTP/1.1 200 OK"
        writer.write(b"\r\n")
        assert await closed_with(reader) == b"HTTP/1.1 408 Request Timeout"

    assert serving(scenario, header_timeout_s=1.0) == [HEADER_TIMEOUT]


def test_a_slow_body_is_not_this_ones_business():
    async def scenario(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na")
        await asyncio.sleep(0.5)
        writer.write(b"b")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 OK")

    assert serving(scenario, header_timeout_s=0.2) == []


@pytest.mark.parametrize(
    "flood",
    [
        GET + b"X-Flood: " + bytes(b"a" * 2**17) + b"\r\n\r\n",
        GET + b"X-Flood: " + bytes(b"a" * 2**17),
        GET + b"".join(b"X-%d: a\r\n" % number for number in range(200)) + b"\r\n",
        b"GET /" + bytes(b"a" * 2**17) + b" HTTP/1.1\r\n\r\n",
    ],
    ids=["one long line", "a line without an end", "many lines", "a long address"],
)
def test_a_header_flood_is_refused(flood):
    async def scenario(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(flood)
        with contextlib.suppress(ConnectionResetError):  # where it was still sending
            assert await closed_with(reader) == b"HTTP/1.1 431 Request Header Fields Too Large"
        assert await ask(*await connect()) == b"HTTP/1.1 200 OK"

    assert serving(scenario) == [HEADER_TOO_LARGE]


def test_the_longest_idle_connection_makes_room():
    async def scenario(connect: Connect) -> None:
        busy = await connect()
        busy[1].write(b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na")
        await asyncio.sleep(0.1)
        idle = [await connect() for _ in range(3)]
        assert await ask(*await connect()) == b"HTTP/1.1 200 OK"
        assert await closed_with(idle[0][0]) == b"HTTP/1.1 408 Request Timeout"
        assert await ask(*idle[1]) == b"HTTP/1.1 200 OK"
        busy[1].write(b"b")
        assert (await busy[0].readline()).startswith(b"HTTP/1.1 200 OK")

    assert serving(scenario, connections_max=4) == [NO_ROOM]


def test_where_every_connection_is_busy_the_next_is_refused_in_words():
    async def scenario(connect: Connect) -> None:
        for _ in range(2):
            _, writer = await connect()
            writer.write(b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na")
        await asyncio.sleep(0.1)
        assert await closed_with((await connect())[0]) == b"HTTP/1.1 503 Service Unavailable"

    assert serving(scenario, connections_max=2) == [NO_ROOM]


def test_where_every_connection_is_busy_a_body_that_is_slow_to_arrive_makes_room(monkeypatch):
    monkeypatch.setattr("service.server.connection_limits._SLOW_S", 0.2)

    async def scenario(connect: Connect) -> None:
        slow, late = [await uploading(connect) for _ in range(2)]
        await asyncio.sleep(0.3)
        assert await ask(*await connect()) == b"HTTP/1.1 200 OK"
        assert await closed_with(slow[0]) == b"HTTP/1.1 408 Request Timeout"
        late[1].write(b"b")
        assert (await late[0].readline()).startswith(b"HTTP/1.1 200 OK")

    async def uploading(connect: Connect) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await connect()
        writer.write(b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na")
        await asyncio.sleep(0.05)
        return reader, writer

    assert serving(scenario, connections_max=2) == [NO_ROOM]


@pytest.mark.parametrize(
    "flood", [b"0\r\n" + b"X-Flood: a\r\n" * 2**15, b"1;" + b"a" * 2**19], ids=["trailer", "extension"]
)
def test_what_comes_with_a_body_in_chunks_is_bounded_like_a_header(flood):
    async def scenario(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(b"POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n" + flood)
        with contextlib.suppress(ConnectionResetError):  # where it was still sending
            assert await closed_with(reader) == b"HTTP/1.1 431 Request Header Fields Too Large"

    assert serving(scenario) == [HEADER_TOO_LARGE]


def test_a_header_flood_behind_a_request_that_is_being_answered_closes_the_connection_without_a_word():
    async def scenario(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(b"GET /never HTTP/1.1\r\nHost: x\r\n\r\n" + GET + b"X-Flood: " + b"a" * 2**19)
        with contextlib.suppress(ConnectionResetError):  # where it was still sending
            assert await reader.read() == b""

    assert serving(scenario) == [HEADER_TOO_LARGE]


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 2\r\n\r\nab", b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"]
)
@pytest.mark.parametrize("cut", [0, 40, -3])
def test_the_body_of_a_request_that_offers_another_protocol_is_read_all_the_same(framing, cut):
    offer = b"POST /echo HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n" + framing

    async def scenario(connect: Connect) -> None:
        reader, writer = await connect()
        for part in filter(None, (offer[:cut], offer[cut:])):
            writer.write(part)
            await asyncio.sleep(0.05)
        assert (await reader.readuntil(b"0\r\n\r\n")).endswith(b"2\r\nab\r\n0\r\n\r\n")
        assert await ask(reader, writer) == b"HTTP/1.1 200 OK"

    assert serving(scenario) == []


def test_a_proxy_is_not_what_this_is():
    async def scenario(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(b"CONNECT elsewhere:443 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await closed_with(reader) == b"HTTP/1.1 400 Bad Request"

    assert serving(scenario) == [MALFORMED]
