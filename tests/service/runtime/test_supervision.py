"""A background task that raises goes on, and everybody who should hears of it."""

import asyncio

import pytest

from service.runtime.backoff import Backoff
from service.runtime.supervision import Supervisor

AT_ONCE = Backoff(0.0, 0.0)


async def until(condition) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - what is waited for is a count
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("failure", [ValueError("mint"), RecursionError(), None], ids=["raises", "nests", "ends"])
def test_a_task_that_fails_is_begun_again_logged_and_counted(failure, caplog):
    told, begun = [], []

    async def work() -> None:
        begun.append(1)
        if failure and len(begun) < 3:
            raise failure
        if len(begun) >= 3:
            await asyncio.Event().wait()

    async def run() -> None:
        supervisor = Supervisor(lambda *what: told.append(what), AT_ONCE)
        async with supervisor.running("chore", work, needed=True):
            await until(lambda: len(begun) == 3)
        assert supervisor.failing is None

    asyncio.run(run())
    assert told == [("chore", 0), ("chore", 1), ("chore", 1)]
    assert [record.task for record in caplog.records if record.levelname == "ERROR"] == ["chore", "chore"]


@pytest.mark.parametrize("needed", [True, False])
def test_a_task_that_fails_again_and_again_is_a_reason_to_restart_only_where_it_is_needed(needed):
    told = []

    async def run() -> None:
        due = asyncio.Semaphore(4)

        async def work() -> None:
            await due.acquire()
            raise ValueError("mint")

        supervisor = Supervisor(lambda *what: told.append(what), AT_ONCE)
        async with supervisor.running("chore", work, needed=needed):
            await until(lambda: len(told) == 1 + 4)
            await asyncio.sleep(0.01)
            assert supervisor.failing is None
            due.release()
            await until(lambda: len(told) == 1 + 5)
            await asyncio.sleep(0.01)
            assert supervisor.failing == ("chore" if needed else None)

    asyncio.run(run())


def test_leaving_ends_the_task():
    ended = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(1)

    async def run() -> None:
        async with Supervisor().running("chore", work, needed=True):
            await asyncio.sleep(0.01)

    asyncio.run(run())
    assert ended == [1]


def test_leaving_ends_a_task_whose_way_out_fails():
    told, begun = [], []

    async def work() -> None:
        begun.append(1)
        try:
            await asyncio.Event().wait()
        finally:
            raise ConnectionError("the other side is gone")

    async def run() -> None:
        async with (
            asyncio.timeout(60),
            Supervisor(lambda *what: told.append(what), AT_ONCE).running("chore", work, needed=True),
        ):
            await asyncio.sleep(0.01)

    asyncio.run(run())
    assert (told, begun) == ([("chore", 0)], [1])
