"""How fast frames go through: weighted means over what was really measured, the newest counting most."""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

_T = TypeVar("_T")
_NEWEST: Final = 1 / 16
"""Weight of the newest of many values; the first few count alike."""


@dataclass(slots=True)
class _Mean:
    value: float = 0.0
    count: int = 0

    def add(self, value: float) -> None:
        self.count += 1
        self.value += max(_NEWEST, 1.0 / self.count) * (value - self.value)


class ServiceTimeEstimator:
    """What a frame takes, in seconds of wall clock under the load of the moment; 0 until one was answered. Thread-safe.

    Args:
        parallelism: Frames that the model works on at once: runners times the largest batch.
        workers: Threads that decode and encode.
        batch_max: Frames that one runner takes at once.
    """

    def __init__(self, parallelism: int = 1, workers: int = 1, batch_max: int = 1) -> None:
        self.parallelism = parallelism
        self._workers = workers
        self._batch_max = batch_max
        self._run_s = _Mean()
        self._full_run_s = _Mean()
        self._worker_s = _Mean()
        self._unassigned_s = 0.0
        self._lock = threading.Lock()

    @property
    def interval_s(self) -> float:
        """Time between two answers while the slower of the two stages, model and workers, never idles."""
        if not self._run_s.count:
            return 0.0
        run_s = self._full_run_s if self._full_run_s.count else self._run_s
        return max(run_s.value / self.parallelism, self._worker_s.value / self._workers)

    @property
    def worker_s(self) -> float:
        """Time that the workers take for a frame: to decode it, and to encode its answer."""
        return self._worker_s.value

    def service_time_s(self, cost: int = 1) -> float:
        """Time that a request of so many frames, which one runner answers, is worked on, waiting left out."""
        return math.ceil(cost / self._batch_max) * self._run_s.value + cost * self._worker_s.value

    def record_run(self, seconds: float, *, full: bool = False) -> None:
        """A batch that the model took at once took so long.

        One on a `full` model, while others waited, shares the processor with as many as will run beside those that wait: how
        long the wait is follows from such ones, once there were any.
        """
        with self._lock:
            self._run_s.add(seconds)
            if full:
                self._full_run_s.add(seconds)

    def timed(self, work: Callable[[], _T]) -> _T:
        """Do a worker's task, whatever comes of it, and note how long it took."""
        started_s = time.perf_counter()
        try:
            return work()
        finally:
            with self._lock:
                self._unassigned_s += time.perf_counter() - started_s

    def record_departure(self, cost: int = 1) -> None:
        """A request of so many frames left: what the workers did since another one left is what these cost them."""
        with self._lock:
            for _ in range(cost):
                self._worker_s.add(self._unassigned_s / cost)
            self._unassigned_s = 0.0
