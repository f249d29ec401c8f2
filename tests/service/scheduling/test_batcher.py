import threading
import time

import pytest

from service.errors import DeadlineExceeded, Draining, InferenceFailed, ServiceFull, Superseded
from service.scheduling.batcher import Batcher, BatchingOptions
from service.scheduling.context import RequestContext

WAIT_S = 60.0


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


def options(runners: int = 1, batch_max: int = 4, queue_max: int = 16) -> BatchingOptions:
    return BatchingOptions(runners, batch_max, queue_max)


def values(futures):
    return [future.result(WAIT_S).value for future in futures]


def test_each_caller_gets_the_answer_to_its_own_item():
    with Batcher(lambda items: [item * item for item in items], options(runners=3)) as batcher:
        assert values([batcher.submit(number) for number in range(16)]) == [number**2 for number in range(16)]


def test_what_waits_when_the_runner_gets_free_becomes_the_next_batch():
    gate = Gate()
    with Batcher(gate, options(batch_max=4)) as batcher:
        futures = [batcher.submit(0)]
        gate.entered.acquire(timeout=WAIT_S)
        futures += [batcher.submit(number) for number in range(1, 7)]
        gate.open.set()
        assert values(futures) == [0, 2, 4, 6, 8, 10, 12]
    assert gate.batches == [[0], [1, 2, 3, 4], [5, 6]]


def test_a_full_queue_refuses_at_once_and_takes_again_when_there_is_room():
    gate = Gate()
    with Batcher(gate, options(batch_max=1, queue_max=2)) as batcher:
        running = batcher.submit(0)
        gate.entered.acquire(timeout=WAIT_S)
        waiting = [batcher.submit(1), batcher.submit(2)]
        with pytest.raises(ServiceFull, match="found 2 frames waiting, expected fewer than 2"):
            batcher.submit(3)
        assert batcher.depth == 2
        gate.open.set()
        assert values([running, *waiting]) == [0, 2, 4]
        assert values([batcher.submit(4)]) == [8]


def test_what_was_begun_goes_before_all_that_wait_and_beyond_their_limit():
    gate = Gate()
    with Batcher(gate, options(batch_max=1, queue_max=2)) as batcher:
        futures = [batcher.submit(0)]
        gate.entered.acquire(timeout=WAIT_S)
        futures += [batcher.submit(1), batcher.submit(2), batcher.submit_next(3, RequestContext())]
        gate.open.set()
        assert values(futures) == [0, 2, 4, 6]
    assert gate.batches == [[0], [3], [1], [2]]
    with pytest.raises(Draining):
        batcher.submit_next(4, RequestContext())


def test_what_was_begun_is_finished_at_the_end_unless_its_deadline_has_passed():
    gate, reports = Gate(), []
    with Batcher(gate, options(batch_max=1), lambda _, dropped: reports.extend(dropped)) as batcher:
        batcher.submit(0)
        gate.entered.acquire(timeout=WAIT_S)
        late = batcher.submit_next(1, RequestContext(deadline_s=0.0))
        begun = batcher.submit_next(2, RequestContext())
        gate.open.set()
    assert values([begun]) == [4]
    with pytest.raises(DeadlineExceeded):
        late.result(WAIT_S)
    assert reports == []  # of a frame that is answered all the same


def test_an_answer_says_whether_others_waited_when_its_batch_began():
    gate = Gate()
    with Batcher(gate, options(batch_max=1)) as batcher:
        futures = [batcher.submit(0)]
        gate.entered.acquire(timeout=WAIT_S)
        futures += [batcher.submit(1), batcher.submit(2)]
        gate.open.set()
        assert [future.result(WAIT_S).full for future in futures] == [False, True, False]


def test_a_caller_who_left_is_skipped_before_inference():
    gate, reports = Gate(), []
    with Batcher(gate, options(batch_max=1), lambda taken, dropped: reports.append((taken, list(dropped)))) as batcher:
        batcher.submit(0)
        gate.entered.acquire(timeout=WAIT_S)
        gone, stays = batcher.submit(1), batcher.submit(2)
        assert gone.cancel()
        gate.open.set()
        assert values([stays]) == [4]
    assert gate.batches == [[0], [2]]
    assert reports == [(1, []), (1, ["client_gone"])]


def test_a_failing_batch_fails_its_own_callers_and_no_others():
    def fail_on_one(items):
        if 1 in items:
            raise ZeroDivisionError("one")
        return items

    with Batcher(fail_on_one, options(batch_max=1)) as batcher:
        good, bad, later = batcher.submit(0), batcher.submit(1), batcher.submit(2)
        with pytest.raises(InferenceFailed) as failure:
            bad.result(WAIT_S)
        assert isinstance(failure.value.__cause__, ZeroDivisionError)
        assert values([good, later]) == [0, 2]
        assert batcher.alive


def test_a_model_that_gives_too_few_answers_mixes_nobody_up():
    with Batcher(lambda items: items[1:], options()) as batcher, pytest.raises(InferenceFailed):
        batcher.submit(1).result(WAIT_S)


def test_leaving_finishes_what_was_accepted():
    gate = Gate()
    with Batcher(gate, options(batch_max=1)) as batcher:
        futures = [batcher.submit(number) for number in range(5)]
        threading.Timer(0.05, gate.open.set).start()
    assert all(future.done() for future in futures)
    assert values(futures) == [0, 2, 4, 6, 8]


def test_a_closed_batcher_takes_nothing():
    with Batcher(list, options()) as batcher:
        pass
    with pytest.raises(Draining):
        batcher.submit(1)
    assert not batcher.alive


def test_runners_work_at_the_same_time():
    together = threading.Barrier(3, timeout=WAIT_S)

    def meet(items):
        together.wait()
        return items

    with Batcher(meet, options(runners=3, batch_max=1)) as batcher:
        assert values([batcher.submit(number) for number in range(3)]) == [0, 1, 2]


def test_waiting_and_running_are_timed_apart():
    def slowly(items):
        time.sleep(0.05)
        return items

    with Batcher(slowly, options(batch_max=1)) as batcher:
        first, second = [batcher.submit(number) for number in range(2)]
        assert first.result(WAIT_S).run_s >= 0.05
        assert first.result(WAIT_S).queue_s < second.result(WAIT_S).queue_s
        assert second.result(WAIT_S).queue_s >= 0.04


def waiting_behind_one(gate: Gate, batcher: Batcher) -> None:
    """Occupy the only runner."""
    batcher.submit(0)
    assert gate.entered.acquire(timeout=WAIT_S)


def test_a_camera_that_floods_does_not_make_the_others_wait_behind_it():
    gate = Gate()
    with Batcher(gate, options(batch_max=1)) as batcher:
        waiting_behind_one(gate, batcher)
        futures = [batcher.submit(number, RequestContext("flood")) for number in range(1, 6)]
        futures += [batcher.submit(6, RequestContext("ridge")), batcher.submit(7)]
        gate.open.set()
        values(futures)
    assert gate.batches == [[0], [1], [6], [7], [2], [3], [4], [5]]


def test_an_item_past_its_deadline_is_dropped_before_inference():
    gate, reports = Gate(), []
    with Batcher(gate, options(batch_max=1), lambda taken, dropped: reports.append((taken, list(dropped)))) as batcher:
        waiting_behind_one(gate, batcher)
        late = batcher.submit(1, RequestContext(deadline_s=time.perf_counter()))
        stays = batcher.submit(2, RequestContext(deadline_s=time.perf_counter() + WAIT_S))
        gate.open.set()
        with pytest.raises(DeadlineExceeded):
            late.result(WAIT_S)
        assert values([stays]) == [4]
    assert gate.batches == [[0], [2]]
    assert reports == [(1, []), (1, ["deadline_exceeded"])]


def test_an_older_frame_that_comes_late_does_not_replace_a_newer_one():
    gate = Gate()
    with Batcher(gate, options(batch_max=1)) as batcher:
        waiting_behind_one(gate, batcher)
        older, newer = RequestContext("ridge", latest=True), RequestContext("ridge", latest=True)
        future = batcher.submit(2, newer)
        with pytest.raises(Superseded):
            batcher.submit(1, older)
        gate.open.set()
        assert values([future]) == [4]


def test_a_frame_replaces_one_of_its_own_view_and_not_what_another_view_of_its_camera_shows():
    gate = Gate()
    with Batcher(gate, options(batch_max=4)) as batcher:
        waiting_behind_one(gate, batcher)
        views = [RequestContext("dome", latest=True, view=view) for view in ("east", "west", "east")]
        assert [batcher.replaced_cost(context) for context in views] == [0, 0, 0]
        east, west, newer = (batcher.submit(number, context) for number, context in enumerate(views, 1))
        with pytest.raises(Superseded):
            east.result(WAIT_S)
        gate.open.set()
        assert values([west, newer]) == [4, 6]


def test_those_who_left_make_room_for_those_who_come():
    gate, reports = Gate(), []
    with Batcher(gate, options(batch_max=1, queue_max=1), lambda _, dropped: reports.extend(dropped)) as batcher:
        waiting_behind_one(gate, batcher)
        assert batcher.submit(1).cancel()
        future = batcher.submit(2)
        gate.open.set()
        assert values([future]) == [4]
    assert reports == ["client_gone"]


def test_a_batch_waits_to_be_filled_for_as_long_as_it_may_but_not_with_what_was_begun():
    gate = Gate()
    gate.open.set()
    with Batcher(gate, BatchingOptions(1, 2, 16, batch_wait_s=10 * WAIT_S)) as batcher:
        assert values([batcher.submit(1), batcher.submit(2)]) == [2, 4]
        assert values([batcher.submit_next(3, RequestContext())]) == [6]
    with Batcher(gate, BatchingOptions(1, 2, 16, batch_wait_s=0.02)) as batcher:
        assert batcher.submit(4).result(WAIT_S).queue_s >= 0.02
    assert gate.batches == [[1, 2], [3], [4]]


@pytest.mark.parametrize("failure", [SystemExit, KeyboardInterrupt, MemoryError])
def test_a_runner_survives_whatever_its_work_raises(failure):
    def fail_once(items):
        if items == [0]:
            raise failure
        return items

    with Batcher(fail_once, options()) as batcher:
        with pytest.raises(InferenceFailed):
            batcher.submit(0).result(WAIT_S)
        assert values([batcher.submit(1)]) == [1]
        assert batcher.alive


def test_a_report_that_fails_reaches_the_callers_and_no_runner_dies():
    def fail(*_):
        raise OSError("no space left on device")

    with Batcher(list, options(), fail) as batcher:
        with pytest.raises(InferenceFailed):
            batcher.submit(0).result(WAIT_S)
        assert batcher.alive


def test_a_batch_that_hangs_is_seen():
    gate = Gate()
    with Batcher(gate, options()) as batcher:
        assert batcher.busy_s == 0.0
        waiting_behind_one(gate, batcher)
        time.sleep(0.02)
        assert batcher.busy_s >= 0.02
        gate.open.set()


def test_a_batch_that_hangs_is_not_waited_for_at_the_end(monkeypatch):
    monkeypatch.setattr("service.scheduling.batcher._HUNG_S", 0.05)
    gate = Gate()
    started_s = time.perf_counter()
    with Batcher(gate, options()) as batcher:
        waiting_behind_one(gate, batcher)
    assert time.perf_counter() - started_s < WAIT_S / 2
    gate.open.set()
