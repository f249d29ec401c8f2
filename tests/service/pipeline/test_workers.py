"""Decoding in processes: what takes too long is ended, what goes down harms nobody else."""

import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from service import errors
from service.pipeline.decoding.decode import Limits, no_hold
from service.pipeline.options import SegmentOptions
from service.pipeline.prepare import Preparation, prepare
from service.pipeline.worker_process import WorkerProcess
from service.pipeline.workers import DecodeWorkers, WorkingSince
from tests.pictures import file_of, noisy

WANTED = Preparation(Limits(40_000_000), SegmentOptions(()), size_px=64, watched=True)
SMALL = file_of(noisy(1, 96, 64), "JPEG")
SLOW = file_of(noisy(2, 5_000, 4_000), "WEBP", method=0, quality=50)


@pytest.fixture
def ended() -> list[str]:
    return []


@pytest.fixture
def workers(ended):
    with DecodeWorkers(30.0, ended.append) as workers:
        workers.prepare(SMALL, WANTED, no_hold)
        yield workers


def processes() -> set[int]:
    """The processes that this one started and that still run."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    tasks = Path("/proc/self/task").iterdir()
    return {int(child) for task in tasks for child in (task / "children").read_text().split()} | set(map(int, children))


def process_of(workers) -> int:
    (worker,) = workers._idle
    return worker._process.pid


def test_a_frame_is_the_same_as_one_prepared_here(workers):
    theirs, ours = workers.prepare(SMALL, WANTED, no_hold), prepare(SMALL, WANTED, no_hold)
    np.testing.assert_array_equal(theirs.inputs[0], ours.inputs[0])
    assert (theirs.size, theirs.damaged) == (ours.size, ours.damaged)
    np.testing.assert_array_equal(theirs.stats.thumbnail, ours.stats.thumbnail)


def test_how_long_a_frame_took_is_told_without_the_way_to_the_process(workers):
    begun_s = time.perf_counter()
    frame = workers.prepare(SMALL, WANTED, no_hold)
    assert 0.0 < frame.work_s < time.perf_counter() - begun_s


def test_a_refusal_comes_through_and_costs_no_process(workers, ended):
    before = process_of(workers)
    with pytest.raises(errors.FormatUnsupported, match="expected a JPEG, PNG or WebP file"):
        workers.prepare(b"smoke", WANTED, no_hold)
    with pytest.raises(errors.FrameBroken, match="cut"):
        workers.prepare(SMALL[:-200], WANTED, no_hold)
    assert (process_of(workers), ended) == (before, [])


def test_pixels_are_held_before_they_are_decoded_and_there_may_be_no_room(workers):
    held: list[int] = []
    workers.prepare(SMALL, WANTED, held.append)
    assert held == [96 * 64]

    def full(_: int) -> None:
        raise errors.ServiceFull("no room")

    with pytest.raises(errors.ServiceFull, match="no room"):
        workers.prepare(SMALL, WANTED, full)
    assert workers.prepare(SMALL, WANTED, no_hold).size.width == 96


def test_a_decode_that_passes_its_time_is_ended_and_the_next_is_not(ended):
    with DecodeWorkers(0.2, ended.append) as workers:
        workers.prepare(SMALL, WANTED, no_hold)
        before = process_of(workers)
        with pytest.raises(errors.FrameTooSlow, match=r"found a file that takes more than 0\.2 s to decode"):
            workers.prepare(SLOW, WANTED, no_hold)
        assert ended == ["slow"]
        assert before not in processes()
    with DecodeWorkers(30.0) as workers:
        assert workers.prepare(SLOW, WANTED, no_hold).size.width == 5_000


def kill_busy(workers: DecodeWorkers, killed: list[int], times: int):
    """What holds pixels, and has the process killed that asks for room, so many times."""

    def hold(_: int) -> None:
        if len(killed) < times:
            killed.append(next(iter(workers._busy))._process.pid)
            os.kill(killed[-1], signal.SIGKILL)

    return hold


def test_who_is_decoded_beside_it_is_not_harmed(workers, ended):
    killed: list[int] = []
    with pytest.raises(errors.FrameBroken, match="brings its decoder down"):
        workers.prepare(SMALL, WANTED, kill_busy(workers, killed, times=2))
    assert ended == ["lost", "lost"]
    with ThreadPoolExecutor(2) as pool:
        frames = list(pool.map(lambda _: workers.prepare(SMALL, WANTED, no_hold), range(8)))
    assert {frame.size.width for frame in frames} == {96}
    assert not {*killed} & processes()


def test_a_picture_is_not_blamed_for_a_process_that_the_system_killed(workers, ended):
    assert workers.prepare(SMALL, WANTED, kill_busy(workers, [], times=1)).size.width == 96
    workers._idle.append(WorkerProcess())
    for idle in workers._idle:
        os.kill(idle._process.pid, signal.SIGKILL)
    assert workers.prepare(SMALL, WANTED, no_hold).size.width == 96
    assert ended == ["lost", "lost"]


def test_a_process_that_does_not_start_is_no_fault_of_the_picture(ended, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with DecodeWorkers(30.0, ended.append) as workers, pytest.raises(RuntimeError, match="does not start"):
        workers.prepare(SMALL, WANTED, no_hold)
    assert ended == ["lost", "lost"]


def test_leaving_ends_what_hangs(ended):
    entered = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        with DecodeWorkers(600.0, ended.append) as workers:

            def hang(_: int) -> None:
                os.kill(next(iter(workers._busy))._process.pid, signal.SIGSTOP)
                entered.set()

            hanging = pool.submit(workers.prepare, SMALL, WANTED, hang)
            assert entered.wait(60)
        with pytest.raises(errors.Draining):
            hanging.result(timeout=60)
        with pytest.raises(errors.Draining):
            workers.prepare(SMALL, WANTED, no_hold)
    assert ended == []


def test_signals_to_all_leave_the_processes_to_the_service(workers):
    for told_to_all in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(process_of(workers), told_to_all)
    assert workers.prepare(SMALL, WANTED, no_hold).size.width == 96


def test_without_a_limit_nothing_is_started():
    before = processes()
    with DecodeWorkers(0.0) as workers:
        assert workers.prepare(SMALL, WANTED, no_hold).size.width == 96
        assert processes() == before


def test_the_oldest_work_under_way_is_known():
    working, go = WorkingSince(), threading.Event()
    assert working.longest_s == 0.0
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(working.do, lambda: go.wait(60))
        time.sleep(0.05)
        assert 0.04 < working.longest_s < 5.0
        go.set()
        assert done.result()
    assert working.longest_s == 0.0
