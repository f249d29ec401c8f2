"""Who works in a pipeline: the threads that decode and encode, and the processes that decode for them, so that it can be ended."""

import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from queue import PriorityQueue
from typing import Any, Self, TypeVar

from service.errors import Draining, FrameBroken, FrameTooSlow, RequestError
from service.pipeline.decoding.decode import HoldPixels
from service.pipeline.prepare import Preparation, PreparedFrame, prepare
from service.pipeline.worker_process import WorkerLost, WorkerProcess

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """How many work in a pipeline.

    Attributes:
        workers: Threads that decode and encode.
        queue_max: Most frames that wait for the model.
        batch_wait_s: How long a batch waits to be filled.
        decode_max_s: Longest time that decoding a frame may take, in a process that is ended then; 0 decodes in the thread.
    """

    workers: int
    queue_max: int
    batch_wait_s: float = 0.0
    decode_max_s: float = 0.0


class DecodeWorkers:
    """Processes that decode: as many as threads ask at once, started when they are first needed. Leaving it ends them.

    Args:
        most_s: Longest time for one frame; 0 decodes in the calling thread, which nothing can end.
        report: Told why a process was ended: `slow`, or `lost` where it went down by itself.
    """

    def __init__(self, most_s: float, report: Callable[[str], None] = lambda _: None) -> None:
        self._most_s = most_s
        self._report = report
        self._idle: list[WorkerProcess] = []
        self._busy: set[WorkerProcess] = set()
        self._closed = False
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        if self._most_s:
            self._idle.append(WorkerProcess())
        return self

    def __exit__(self, *raised: object) -> None:
        with self._lock:
            self._closed = True
            for worker in self._busy:
                worker.kill()
            while self._idle:
                self._idle.pop().end()

    def prepare(self, body: bytes, wanted: Preparation, hold_pixels: HoldPixels) -> PreparedFrame:
        """See `service.pipeline.prepare.prepare`.

        Raises:
            RequestError: Also where the frame took too long, or brought two decoders down: one may go down by itself.
        """
        if not self._most_s:
            return prepare(body, wanted, hold_pixels)
        with suppress(WorkerLost, RuntimeError):  # the latter: it went down as it started
            return self._prepared(self._take(), body, wanted, hold_pixels)
        try:
            return self._prepared(self._take(fresh=True), body, wanted, hold_pixels)
        except WorkerLost:
            raise self._lost() from None

    def _prepared(
        self, worker: WorkerProcess, body: bytes, wanted: Preparation, hold_pixels: HoldPixels
    ) -> PreparedFrame:
        try:
            frame = worker.prepare(body, wanted, hold_pixels, self._most_s)
        except RequestError:
            self._give_back(worker)
            raise
        except TimeoutError:
            self._end(worker, "slow")
            seconds = f"{self._most_s:g} s"
            raise FrameTooSlow(f"found a file that takes more than {seconds} to decode, expected less") from None
        except BaseException:
            self._end(worker, "lost")
            raise
        self._give_back(worker)
        return frame

    def _take(self, *, fresh: bool = False) -> WorkerProcess:
        """The one that worked last, whose memory is warm, or a new one."""
        with self._lock:
            if self._closed:
                raise self._lost()
            worker = self._idle.pop() if self._idle and not fresh else WorkerProcess()
            self._busy.add(worker)
        return worker

    def _give_back(self, worker: WorkerProcess) -> None:
        with self._lock:
            self._busy.discard(worker)
            if not self._closed:
                self._idle.append(worker)
                return
        worker.end()

    def _end(self, worker: WorkerProcess, reason: str) -> None:
        with self._lock:
            self._busy.discard(worker)
        worker.end()
        if not self._closed:
            self._report(reason)

    def _lost(self) -> RequestError:
        if self._closed:
            return Draining("found the service stopping, expected it ready")
        return FrameBroken("found a file that brings its decoder down, expected a whole one")


class Rank(IntEnum):
    """What goes first: what ends a frame, before what begins one."""

    FINISH = 0
    BEGIN = 1


class RankedPool:
    """Work for the threads of a pool, by rank, and of one rank as it came.

    A frame that was inferred holds some ten times the memory of one that waits to be decoded, so it must not wait behind those.
    """

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._waiting: PriorityQueue[tuple[Rank, int, Future[Any], Callable[[], Any]]] = PriorityQueue()
        self._numbers = itertools.count()

    def submit(self, work: Callable[[], T], rank: Rank) -> Future[T]:
        """Have this done. Raises RuntimeError once the pool is closed."""
        future: Future[T] = Future()
        self._waiting.put((rank, next(self._numbers), future, work))
        self._pool.submit(self._do_first)
        return future

    def _do_first(self) -> None:
        """Run once for each work that was put in, but for whichever goes first by now."""
        _, _, future, work = self._waiting.get()
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - whoever waits for it must hear of it, whatever it is
            future.set_exception(error)


class WorkingSince:
    """What threads are working on, and since when. Safe from several threads."""

    def __init__(self) -> None:
        self._since_s: dict[object, float] = {}

    @property
    def longest_s(self) -> float:
        """For how long the oldest work under way has been; 0 while there is none."""
        since_s = list(self._since_s.values())
        return time.perf_counter() - min(since_s) if since_s else 0.0

    def do(self, work: Callable[[], T]) -> T:
        """Do this, and know since when."""
        task = object()
        self._since_s[task] = time.perf_counter()
        try:
            return work()
        finally:
            del self._since_s[task]
