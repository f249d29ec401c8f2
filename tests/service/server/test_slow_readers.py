"""Readers that do not read: given up after a time, and the slowest before the next, on real sockets."""

import asyncio

import pytest

from service.server.connection_limits import (
    NO_ROOM,
    SEND_TIMEOUT,
    UNREAD,
)
from tests.service.server.test_connection_limits import GET, LARGE, Connect, closed_with, serving


async def reads_nothing(connect: Connect, header: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection whose client has asked for 32 MiB and takes none of them."""
    reader, writer = await connect()
    writer.transport.pause_reading()
    writer.write(b"GET /large HTTP/1.1\r\nHost: x\r\n" + header + b"\r\n")
    return reader, writer


def test_where_every_connection_is_busy_a_reader_that_is_slow_makes_room(monkeypatch):
    monkeypatch.setattr("service.server.connection_limits._SLOW_S", 0.2)

    async def scenario(connect: Connect) -> None:
        for _ in range(2):
            await reads_nothing(connect)
        status = b""
        while status != b"HTTP/1.1 200 OK":  # Refused until one of them has been slow for long enough.
            reader, writer = await connect()
            writer.write(GET + b"Connection: close\r\n\r\n")
            status = await closed_with(reader)

    assert set(serving(scenario, connections_max=2)) == {NO_ROOM}


def test_a_reader_that_does_not_read_is_given_up():
    async def scenario(connect: Connect) -> None:
        await reads_nothing(connect)
        while not reports:  # noqa: ASYNC110 - told by a plain list
            await asyncio.sleep(0.02)

    reports: list[str] = []
    assert serving(scenario, reports, send_timeout_s=0.2) == [SEND_TIMEOUT]


def test_a_reader_that_does_not_read_is_given_up_even_if_it_goes_on_asking():
    async def scenario(connect: Connect) -> None:
        _, writer = await reads_nothing(connect)
        await asyncio.sleep(0.1)
        writer.write(GET + b"\r\n")
        for _ in range(250):
            await asyncio.sleep(0 if reports else 0.02)

    reports: list[str] = []
    assert serving(scenario, reports, send_timeout_s=0.5) == [SEND_TIMEOUT]


def test_where_slow_readers_keep_too_much_waiting_the_slowest_makes_room_for_the_next():
    async def scenario(connect: Connect) -> None:
        (slow, first), (late, second) = [await slow_reader(connect) for _ in range(2)]
        while not reports:  # noqa: ASYNC110 - told by a plain list
            await asyncio.sleep(0.02)
        first.transport.resume_reading()
        second.transport.resume_reading()
        await late.readuntil(b"\r\n\r\n")
        await late.readexactly(len(LARGE))
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await slow.readexactly(len(LARGE))

    async def slow_reader(connect: Connect) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        opened = await reads_nothing(connect)
        await asyncio.sleep(0.3)
        return opened

    reports: list[str] = []
    assert serving(scenario, reports, unread_max_bytes=len(LARGE)) == [UNREAD]


def test_one_large_reply_is_never_too_much():
    async def scenario(connect: Connect) -> None:
        await reads_nothing(connect)
        await asyncio.sleep(0.3)

    assert serving(scenario, unread_max_bytes=1024) == []


def test_a_reader_that_leaves_the_rest_of_an_answer_is_given_up_when_the_connection_closes():
    async def scenario(connect: Connect) -> None:
        await reads_nothing(connect, b"Connection: close\r\n")
        while not reports:  # noqa: ASYNC110 - told by a plain list
            await asyncio.sleep(0.02)

    reports: list[str] = []
    # A buffer that takes the whole answer: the writing is never paused, only the closing waits.
    assert serving(scenario, reports, send_timeout_s=0.2, buffer_bytes=2**26) == [SEND_TIMEOUT]
