"""Bounded queue -> batches -> futures: a batch is formed when a runner is free, out of whoever waits, camera by camera.

Work that nobody wants any more is dropped before inference: its caller has left (the future is cancelled), its deadline
has passed, or a newer frame of its camera took its place. Standard library only.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

from service import errors
from service.errors import ClientGone, DeadlineExceeded, RequestError, Superseded
from service.scheduling.context import RequestContext
from service.scheduling.fair_queue import FairQueue

_T = TypeVar("_T")
_R = TypeVar("_R")
_HUNG_S: Final = 5.0
"""A batch that runs for longer is not waited for at the end: it hangs, and an orchestrator would kill the process."""


@dataclass(frozen=True, slots=True)
class BatchResult(Generic[_R]):
    """An answer, and of its batch: seconds waited and run, rounds of `batch_max` frames, whether others waited as it began."""

    value: _R
    queue_s: float
    run_s: float
    rounds: int
    full: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Job(Generic[_T, _R]):
    item: _T
    context: RequestContext
    future: Future[BatchResult[_R]] = field(default_factory=Future)
    submitted_s: float = field(default_factory=time.perf_counter)
    begun: bool = False


@dataclass(frozen=True, slots=True)
class BatchingOptions:
    """How much at once: runner threads, frames in a batch, frames that wait; and how long a batch waits to be filled."""

    runners: int
    batch_max: int
    queue_max: int
    batch_wait_s: float = 0.0


def no_report(taken: int, dropped: Sequence[str]) -> None:
    """Report nothing."""


class Batcher(Generic[_T, _R]):
    """Runner threads over one queue. Use as a context manager: leaving it finishes what was accepted.

    Args:
        run: Called with 1 to `batch_max` frames' items, or more where the last does not fit; gives one answer per item. What
            it raises reaches the callers of that batch, as InferenceFailed unless it is a RequestError, and nobody else.
        options: Runners, batch, queue.
        report: Told how many frames a batch has, and for each item dropped before inference the reason.
    """

    def __init__(
        self,
        run: Callable[[Sequence[_T]], Sequence[_R]],
        options: BatchingOptions,
        report: Callable[[int, Sequence[str]], None] = no_report,
    ) -> None:
        self._run = run
        self._options = options
        self._report = report
        self._waiting: FairQueue[_Job[_T, _R]] = FairQueue(_frames)
        self._begun: deque[_Job[_T, _R]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._busy_since_s: dict[int, float] = {}
        self._threads = [
            threading.Thread(target=self._work, name=f"runner-{n}", daemon=True) for n in range(options.runners)
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
            while thread.is_alive() and self.busy_s < _HUNG_S:
                thread.join(_HUNG_S / 10)

    @property
    def depth(self) -> int:
        """How many frames wait."""
        return self._waiting.total

    @property
    def alive(self) -> bool:
        """Whether every runner lives."""
        return all(thread.is_alive() for thread in self._threads)

    @property
    def busy_s(self) -> float:
        """For how long the batch that runs longest has been running."""
        return max((time.perf_counter() - since_s for since_s in list(self._busy_since_s.values())), default=0.0)

    def replaced_cost(self, context: RequestContext) -> int:
        """Cost of the frame that waits and whose place this one would take; 0 where there is none."""
        with self._changed:
            return _frames(older) if (older := self._older(context)) else 0

    def submit(self, item: _T, context: RequestContext | None = None) -> Future[BatchResult[_R]]:
        """Queue an item; cancel the future to withdraw it.

        Raises:
            ServiceFull: The queue is full.
            Superseded: A newer frame of this camera waits already.
            Draining: The batcher is closed.
        """
        job: _Job[_T, _R] = _Job(item, context or RequestContext())
        dropped: list[str] = []
        with self._changed:
            self._expect_open()
            if not self._superseded(job, dropped):
                self._append(job, dropped)
            self._changed.notify()
        if dropped:
            self._report(0, dropped)
        return job.future

    def submit_next(self, item: _T, context: RequestContext) -> Future[BatchResult[_R]]:
        """Have an item of a frame answered that was answered in part: before all that wait, and beyond their limit.

        Raises:
            Draining: The batcher is closed.
        """
        job: _Job[_T, _R] = _Job(item, context, begun=True)
        with self._changed:
            self._expect_open()
            self._begun.append(job)
            self._changed.notify()
        return job.future

    def _expect_open(self) -> None:
        if self._closed:
            raise errors.Draining("found the service stopping, expected it to run")

    def _older(self, context: RequestContext) -> _Job[_T, _R] | None:
        """The waiting frame that a `latest` one of its camera and view replaces."""

        def alike(waiting: _Job[_T, _R]) -> bool:
            return waiting.context.latest and waiting.context.view == context.view

        return self._waiting.find(context.camera, alike) if context.latest else None

    def _superseded(self, job: _Job[_T, _R], dropped: list[str]) -> bool:
        """Put a job where an older one waits, if one does; its caller hears that it was superseded."""
        context, other = job.context, self._older(job.context)
        if other is None:
            return False
        if other.context.arrived_s > context.arrived_s:
            raise Superseded("found a newer frame of this camera waiting, expected this one to be the newest")
        self._check_room(context.cost - other.context.cost)
        self._waiting.replace(context.camera, other, job)
        newer = Superseded("a newer frame of this camera arrived, expected this one to be the newest")
        dropped.append(_drop(other, newer))
        return True

    def _append(self, job: _Job[_T, _R], dropped: list[str]) -> None:
        if self.depth + job.context.cost > self._options.queue_max:
            dropped += [_reason(gone) for gone in self._waiting.remove(lambda waiting: waiting.future.cancelled())]
        self._check_room(job.context.cost)
        self._waiting.push(job.context.camera, job)

    def _check_room(self, frames: int) -> None:
        most = self._options.queue_max - frames
        if frames > 0 and self.depth > most:
            raise errors.ServiceFull(f"found {self.depth} frames waiting, expected fewer than {most + 1}")

    def _work(self) -> None:
        while (batch := self._next_batch()) is not None:
            jobs, dropped = batch
            self._answer(jobs, dropped)

    def _next_batch(self) -> tuple[list[_Job[_T, _R]], list[str]] | None:
        """Wait for items, take up to a batch of those still wanted (maybe none); None when closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._begun or self._closed)
            if self._options.batch_wait_s and not self._closed:
                self._changed.wait_for(self._filled, self._options.batch_wait_s)
            if not self._waiting and not self._begun and self._closed:
                return None
            return self._take()

    def _filled(self) -> bool:
        return bool(self._closed or self._begun or self.depth >= self._options.batch_max)

    def _take(self) -> tuple[list[_Job[_T, _R]], list[str]]:
        jobs: list[_Job[_T, _R]] = []
        dropped: list[str] = []
        while (self._begun or self._waiting) and sum(map(_frames, jobs)) < self._options.batch_max:
            job = self._begun.popleft() if self._begun else self._waiting.pop()
            reason = None
            if time.perf_counter() >= job.context.deadline_s:
                reason = _drop(job, DeadlineExceeded("the deadline passed before the model was free"))
            elif job.future.set_running_or_notify_cancel():
                jobs.append(job)
            else:
                reason = _reason(job)
            if reason and not job.begun:  # of that frame a part was answered
                dropped.append(reason)
        return jobs, dropped

    def _answer(self, jobs: list[_Job[_T, _R]], dropped: list[str]) -> None:
        runner, frames, full = threading.get_ident(), sum(map(_frames, jobs)), self.depth > 0
        started_s = time.perf_counter()
        self._busy_since_s[runner] = started_s
        try:
            self._report(frames, dropped)
            values = self._values(jobs)
        except BaseException as error:  # noqa: BLE001 - whatever it is, its callers must hear of it and the runner must live
            _fail(jobs, error)
            return
        finally:
            del self._busy_since_s[runner]
        run_s, rounds = time.perf_counter() - started_s, math.ceil(frames / self._options.batch_max)
        for job, value in zip(jobs, values, strict=True):
            job.future.set_result(BatchResult(value, started_s - job.submitted_s, run_s, rounds, full))

    def _values(self, jobs: list[_Job[_T, _R]]) -> list[_R]:
        values = list(self._run([job.item for job in jobs])) if jobs else []
        if len(values) != len(jobs):
            raise ValueError(f"found {len(values)} answers, expected {len(jobs)}")
        return values


def _frames(job: _Job[_T, _R]) -> int:
    """How many frames' work it is."""
    return job.context.cost


def _drop(job: _Job[_T, _R], error: RequestError) -> str:
    """Tell the caller, if there still is one; returns the reason."""
    if job.future.set_running_or_notify_cancel():
        job.future.set_exception(error)
        return error.reason
    return _reason(job)


def _reason(job: _Job[_T, _R]) -> str:
    """Why a cancelled job was cancelled."""
    expired = time.perf_counter() >= job.context.deadline_s
    return DeadlineExceeded.reason if expired else ClientGone.reason


def _fail(jobs: Sequence[_Job[_T, _R]], error: BaseException) -> None:
    for job in jobs:
        if isinstance(error, RequestError):
            job.future.set_exception(type(error)(*error.args))
            continue
        failure = errors.InferenceFailed("the model failed on this frame; the request id finds the cause in the log")
        failure.__cause__ = error
        job.future.set_exception(failure)
