import threading
import time

import pytest

from service.batcher import Batcher, Sizes
from service.errors import Draining, InferenceFailed, ServiceFull

WAIT_S = 5.0


class Gate:
    """Doubles numbers once it is opened, and remembers the batches."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.entered = threading.Semaphore(0)
        self.batches: list[list[int]] = []

    def __call__(self, items):
        self.batches.append(list(items))
        self.entered.release()
        assert self.open.wait(WAIT_S)
        return [2 * item for item in items]


def sizes(runners: int = 1, batch_max: int = 4, queue_max: int = 16) -> Sizes:
    return Sizes(runners, batch_max, queue_max)


def values(futures):
    return [future.result(WAIT_S).value for future in futures]


def test_each_caller_gets_the_answer_to_its_own_item():
    with Batcher(lambda items: [item * item for item in items], sizes(runners=3)) as batcher:
        assert values([batcher.submit(number) for number in range(16)]) == [number**2 for number in range(16)]


def test_what_waits_when_the_runner_gets_free_becomes_the_next_batch():
    gate = Gate()
    with Batcher(gate, sizes(batch_max=4)) as batcher:
        futures = [batcher.submit(0)]
        gate.entered.acquire(timeout=WAIT_S)
        futures += [batcher.submit(number) for number in range(1, 7)]
        gate.open.set()
        assert values(futures) == [0, 2, 4, 6, 8, 10, 12]
    assert gate.batches == [[0], [1, 2, 3, 4], [5, 6]]


def test_a_full_queue_refuses_at_once_and_takes_again_when_there_is_room():
    gate = Gate()
    with Batcher(gate, sizes(batch_max=1, queue_max=2)) as batcher:
        running = batcher.submit(0)
        gate.entered.acquire(timeout=WAIT_S)
        waiting = [batcher.submit(1), batcher.submit(2)]
        with pytest.raises(ServiceFull, match="found 2 frames waiting, expected fewer than 2"):
            batcher.submit(3)
        assert batcher.depth == 2
        gate.open.set()
        assert values([running, *waiting]) == [0, 2, 4]
        assert values([batcher.submit(4)]) == [8]


def test_a_caller_who_left_is_skipped_before_inference():
    gate, reports = Gate(), []
    with Batcher(gate, sizes(batch_max=1), lambda taken, skipped: reports.append((taken, skipped))) as batcher:
        batcher.submit(0)
        gate.entered.acquire(timeout=WAIT_S)
        gone, stays = batcher.submit(1), batcher.submit(2)
        assert gone.cancel()
        gate.open.set()
        assert values([stays]) == [4]
    assert gate.batches == [[0], [2]]
    assert reports == [(1, 0), (1, 1)]


def test_a_failing_batch_fails_its_own_callers_and_no_others():
    def fail_on_one(items):
        if 1 in items:
            raise ZeroDivisionError("one")
        return items

    with Batcher(fail_on_one, sizes(batch_max=1)) as batcher:
        good, bad, later = batcher.submit(0), batcher.submit(1), batcher.submit(2)
        with pytest.raises(InferenceFailed) as failure:
            bad.result(WAIT_S)
        assert isinstance(failure.value.__cause__, ZeroDivisionError)
        assert values([good, later]) == [0, 2]
        assert batcher.alive


def test_a_model_that_gives_too_few_answers_mixes_nobody_up():
    with Batcher(lambda items: items[1:], sizes()) as batcher, pytest.raises(InferenceFailed):
        batcher.submit(1).result(WAIT_S)


def test_leaving_finishes_what_was_accepted():
    gate = Gate()
    with Batcher(gate, sizes(batch_max=1)) as batcher:
        futures = [batcher.submit(number) for number in range(5)]
        threading.Timer(0.05, gate.open.set).start()
    assert all(future.done() for future in futures)
    assert values(futures) == [0, 2, 4, 6, 8]


def test_a_closed_batcher_takes_nothing():
    with Batcher(list, sizes()) as batcher:
        pass
    with pytest.raises(Draining):
        batcher.submit(1)
    assert not batcher.alive


def test_runners_work_at_the_same_time():
    together = threading.Barrier(3, timeout=WAIT_S)

    def meet(items):
        together.wait()
        return items

    with Batcher(meet, sizes(runners=3, batch_max=1)) as batcher:
        assert values([batcher.submit(number) for number in range(3)]) == [0, 1, 2]


def test_waiting_and_running_are_timed_apart():
    def slowly(items):
        time.sleep(0.05)
        return items

    with Batcher(slowly, sizes(batch_max=1)) as batcher:
        first, second = [batcher.submit(number) for number in range(2)]
        assert first.result(WAIT_S).run_s >= 0.05
        assert first.result(WAIT_S).queue_s < second.result(WAIT_S).queue_s
        assert second.result(WAIT_S).queue_s >= 0.04
