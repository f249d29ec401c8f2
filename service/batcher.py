"""Bounded queue -> batches -> futures: a batch is formed when a runner is free, out of whoever waits; no timer.

A caller that has left (its future is cancelled) is skipped before inference. Standard library only.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import TracebackType
from typing import Generic, Self, TypeVar

from service.errors import Draining, InferenceFailed, ServiceFull

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Done(Generic[R]):
    """An answer, how long it waited, and how long the batch it was in ran (seconds)."""

    value: R
    queue_s: float
    run_s: float


@dataclass(frozen=True, slots=True)
class _Job(Generic[T, R]):
    item: T
    future: Future[Done[R]] = field(default_factory=Future)
    submitted_s: float = field(default_factory=time.perf_counter)


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much at once: runner threads, items in a batch, items that wait."""

    runners: int
    batch_max: int
    queue_max: int


def ignore(taken: int, skipped: int) -> None:
    """Report nothing."""


class Batcher(Generic[T, R]):
    """Runner threads over one queue. Use as a context manager: leaving it finishes what was accepted.

    Args:
        run: Called with 1 to `batch_max` items; gives one answer per item, in their order. What it raises reaches
            the callers of that batch as InferenceFailed, and nobody else.
        sizes: Runners, batch, queue.
        report: Told for each batch how many items it has, and how many were skipped because their callers left.
    """

    def __init__(
        self, run: Callable[[Sequence[T]], Sequence[R]], sizes: Sizes, report: Callable[[int, int], None] = ignore
    ) -> None:
        self._run = run
        self._sizes = sizes
        self._report = report
        self._waiting: deque[_Job[T, R]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"runner-{number}", daemon=True) for number in range(sizes.runners)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    @property
    def depth(self) -> int:
        """How many items wait."""
        return len(self._waiting)

    @property
    def alive(self) -> bool:
        """Whether every runner lives."""
        return all(thread.is_alive() for thread in self._threads)

    def submit(self, item: T) -> Future[Done[R]]:
        """Queue an item; cancel the future to withdraw it.

        Raises:
            ServiceFull: The queue is full.
            Draining: The batcher is closed.
        """
        job: _Job[T, R] = _Job(item)
        with self._changed:
            if self._closed:
                raise Draining("found the service stopping, expected it to run")
            if len(self._waiting) >= self._sizes.queue_max:
                raise ServiceFull(
                    f"found {len(self._waiting)} frames waiting, expected fewer than {self._sizes.queue_max}"
                )
            self._waiting.append(job)
            self._changed.notify()
        return job.future

    def _work(self) -> None:
        while (jobs := self._next_batch()) is not None:
            if jobs:
                self._answer(jobs)

    def _next_batch(self) -> list[_Job[T, R]] | None:
        """Wait for items, take up to a batch of those still wanted (maybe none); None when closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if not self._waiting:
                return None
            jobs, skipped = self._take()
        self._report(len(jobs), skipped)
        return jobs

    def _take(self) -> tuple[list[_Job[T, R]], int]:
        jobs: list[_Job[T, R]] = []
        skipped = 0
        while self._waiting and len(jobs) < self._sizes.batch_max:
            job = self._waiting.popleft()
            if job.future.set_running_or_notify_cancel():
                jobs.append(job)
            else:
                skipped += 1
        return jobs, skipped

    def _answer(self, jobs: list[_Job[T, R]]) -> None:
        started_s = time.perf_counter()
        try:
            values = list(self._run([job.item for job in jobs]))
            if len(values) != len(jobs):
                raise ValueError(f"found {len(values)} answers, expected {len(jobs)}")
        except Exception as error:  # noqa: BLE001 - whatever it is, its callers must hear of it and the runner must live
            _fail(jobs, error)
            return
        run_s = time.perf_counter() - started_s
        for job, value in zip(jobs, values, strict=True):
            job.future.set_result(Done(value, started_s - job.submitted_s, run_s))


def _fail(jobs: Sequence[_Job[T, R]], error: Exception) -> None:
    for job in jobs:
        failure = InferenceFailed("the model failed on this frame; the request id finds the cause in the log")
        failure.__cause__ = error
        job.future.set_exception(failure)
