"""Answers in order, of work that overlaps as far as it may."""

import asyncio
from contextlib import aclosing
from types import SimpleNamespace

import pytest

from service.cli.overlap import frames_at_once, in_order, side_by_side
from service.pipeline.workers import WorkerOptions
from service.settings import Settings


def test_answers_come_in_the_order_of_the_items_though_the_first_takes_longest():
    async def work(number: int) -> int:
        await asyncio.sleep(0.02 if number == 0 else 0.0)
        return 10 * number

    async def answers() -> list[int]:
        return [answer async for answer in in_order(range(5), work, 3)]

    assert asyncio.run(answers()) == [0, 10, 20, 30, 40]


@pytest.mark.parametrize("at_once", [1, 3])
def test_as_many_are_on_their_way_as_may_be_and_no_more(at_once):
    under_way, most = set(), []

    async def work(number: int) -> None:
        under_way.add(number)
        await asyncio.sleep(0.002)
        most.append(len(under_way))
        under_way.remove(number)

    async def drain() -> None:
        async for _ in in_order(range(9), work, at_once):
            pass

    asyncio.run(drain())
    assert max(most) == at_once


def test_items_are_taken_as_there_is_room():
    taken = []

    def items():
        for number in range(100):
            taken.append(number)
            yield number

    async def first() -> None:
        async with aclosing(in_order(items(), lambda _: asyncio.sleep(0), 4)) as answers:
            await anext(answers)

    asyncio.run(first())
    assert taken == [0, 1, 2, 3]


def test_closing_it_withdraws_what_is_on_its_way():
    withdrawn = []

    async def work(number: int) -> int:
        try:
            await asyncio.sleep(0.0 if number == 0 else 60.0)
        except asyncio.CancelledError:
            withdrawn.append(number)
            raise
        return number

    async def first() -> None:
        async with aclosing(in_order(range(9), work, 3)) as answers:
            assert await anext(answers) == 0

    asyncio.run(first())
    assert withdrawn == [1, 2]


def test_twice_what_threads_and_model_hold_are_on_their_way_but_no_more_than_may_wait():
    model = SimpleNamespace(runners=2, batch_max=8)
    assert frames_at_once(model, WorkerOptions(4, 1024), 1) == 40
    assert frames_at_once(model, WorkerOptions(4, 24), 5) == 4
    assert frames_at_once(model, WorkerOptions(4, 3), 5) == 1


def test_frames_enough_for_every_core_take_one_each_unless_told_otherwise(monkeypatch):
    monkeypatch.setattr("service.cli.overlap.cores", lambda: 6)

    def chosen(frames: int, **told: int) -> tuple[int, int]:
        settings = side_by_side(Settings(**told), frames)
        return settings.threads, settings.runners

    assert chosen(6) == (1, 6)
    assert chosen(5) == (0, 0)
    assert chosen(99, threads=3) == (3, 0)
    assert chosen(99, runners=2) == (0, 2)
