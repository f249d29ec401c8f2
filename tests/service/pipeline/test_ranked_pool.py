"""What ends a frame goes before what begins one, so that few frames hold what the model said of them."""

import asyncio
import threading
import time
from concurrent.futures import CancelledError, ThreadPoolExecutor

import pytest

from service.pipeline import pipeline as pipelines
from service.pipeline import workers
from service.pipeline.decoding.decode import Limits
from service.pipeline.options import SegmentOptions
from service.pipeline.pipeline import Pipeline
from service.pipeline.workers import Rank, RankedPool, WorkerOptions
from service.runtime.slot import LoadedModel, ModelSlot
from tests.pictures import file_of, plume

FRAMES = 16


@pytest.fixture
def busy():
    """A pool of one thread, which is held until it is set free."""
    free = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        ranked = RankedPool(pool)
        ranked.submit(lambda: free.wait(60), Rank.BEGIN)
        yield ranked, free
        free.set()


def test_what_ends_a_frame_goes_first_and_the_rest_as_it_came(busy):
    pool, free = busy
    done = []
    ranks = (Rank.BEGIN, Rank.BEGIN, Rank.FINISH, Rank.BEGIN, Rank.FINISH)
    futures = [pool.submit(lambda number=number: done.append(number), rank) for number, rank in enumerate(ranks)]
    free.set()
    for future in futures:
        future.result(60)
    assert done == [2, 4, 0, 1, 3]


def test_what_is_withdrawn_is_not_done_and_keeps_nothing_from_being_done(busy):
    pool, free = busy
    done = []
    withdrawn, other = (pool.submit(lambda name=name: done.append(name), Rank.BEGIN) for name in ("one", "two"))
    withdrawn.cancel()
    free.set()
    other.result(60)
    assert done == ["two"]
    with pytest.raises(CancelledError):
        withdrawn.result(60)


def test_what_work_raises_reaches_who_waits_for_it(busy):
    pool, free = busy

    def fail():
        raise ValueError("broken")

    future = pool.submit(fail, Rank.FINISH)
    free.set()
    with pytest.raises(ValueError, match="broken"):
        future.result(60)


def test_a_closed_pool_takes_no_work(busy):
    pool, free = busy
    free.set()
    pool._pool.shutdown()
    with pytest.raises(RuntimeError):
        pool.submit(lambda: None, Rank.BEGIN)


def test_frames_are_answered_as_they_come_not_after_all_have_been_decoded(model, monkeypatch):
    decoded, ahead = [0], []
    prepare, detect = workers.prepare, pipelines.detect_smoke

    def slowly(*arguments):
        time.sleep(0.02)
        decoded[0] += 1
        return prepare(*arguments)

    def detected(*arguments):
        ahead.append(decoded[0] - len(ahead))
        return detect(*arguments)

    monkeypatch.setattr(workers, "prepare", slowly)
    monkeypatch.setattr(pipelines, "detect_smoke", detected)
    slot = ModelSlot(LoadedModel(model, lambda: model))

    async def all_at_once():
        body = file_of(plume())
        await asyncio.gather(*(pipeline.segment(body, SegmentOptions(())) for _ in range(FRAMES)))

    with Pipeline(slot, WorkerOptions(1, FRAMES), Limits(10_000)) as pipeline:
        asyncio.run(all_at_once())
    assert len(ahead) == FRAMES
    assert max(ahead) <= FRAMES // 2
