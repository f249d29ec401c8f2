import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import TypeVar

from service.api.broadcast import _QUEUE_MAX, Broadcast, sse

Result = TypeVar("Result")


def finished(scenario: Coroutine[None, None, Result]) -> Result:
    """What it comes to; a stream that should have ended or told something, and does not, fails the test."""
    return asyncio.run(asyncio.wait_for(scenario, 10))


async def taken(stream: AsyncIterator[bytes], count: int) -> list[bytes]:
    return [await anext(stream) for _ in range(count)]


def test_a_reader_gets_what_is_there_first_and_then_what_is_published():
    async def scenario() -> list[bytes]:
        events = Broadcast(lambda: None)
        stream = events.read([b"one", b"two"])
        first = await taken(stream, 2)
        events.publish(lambda: b"three")
        return first + await taken(stream, 1)

    assert finished(scenario()) == [b"one", b"two", b"three"]


def test_what_happens_while_the_first_events_are_sent_is_not_lost():
    async def scenario() -> list[bytes]:
        events = Broadcast(lambda: None)
        stream = events.read([b"one", b"two"])
        first = await taken(stream, 1)
        events.publish(lambda: b"three")
        return first + await taken(stream, 2)

    assert finished(scenario()) == [b"one", b"two", b"three"]


def test_where_nobody_reads_nothing_is_written_down():
    def written() -> bytes:
        raise AssertionError

    Broadcast(lambda: None).publish(written)


def test_a_reader_that_falls_behind_is_let_go_alone():
    async def scenario() -> tuple[list[bytes], int, int]:
        dropped: list[bool] = []
        events = Broadcast(lambda: dropped.append(True))
        slow, quick = events.read([b"first"]), events.read([b"first"])
        await anext(slow)
        await anext(quick)
        for number in range(_QUEUE_MAX + 1):
            events.publish(str(number).encode)
            assert await anext(quick) == str(number).encode()
        return [event async for event in slow], len(dropped), events.readers

    assert finished(scenario()) == ([], 1, 1)


def test_a_reader_hears_that_the_connection_lives():
    async def scenario() -> list[bytes]:
        events = Broadcast(lambda: None, heartbeat_s=0.01)
        return await taken(events.read([]), 2)

    assert finished(scenario()) == [b": still here\n\n"] * 2


def test_a_reader_has_to_come_again_after_a_while():
    async def scenario() -> int:
        return len([event async for event in Broadcast(lambda: None, heartbeat_s=0.01, life_s=0.05).read([])])

    assert 1 <= finished(scenario()) <= 6


def test_once_it_is_closed_every_reader_is_let_go_at_once_and_so_is_who_comes_later():
    async def scenario() -> list[list[bytes]]:
        events = Broadcast(lambda: None)
        waiting = events.read([b"first"])
        await anext(waiting)
        rest = asyncio.create_task(collected(waiting))
        await asyncio.sleep(0)
        events.close()
        return [await asyncio.wait_for(rest, 5), await collected(events.read([b"late"]))]

    assert finished(scenario()) == [[], [b"late"]]


async def collected(stream: AsyncIterator[bytes]) -> list[bytes]:
    return [event async for event in stream]


def test_a_reader_that_leaves_is_forgotten():
    async def scenario() -> int:
        events = Broadcast(lambda: None)
        stream = events.read([b"first"])
        await anext(stream)
        await stream.aclose()
        return events.readers

    assert finished(scenario()) == 0


def test_an_event_has_a_name_and_its_data_in_one_line():
    assert sse("camera", '{"a": 1}') == b'event: camera\ndata: {"a": 1}\n\n'
