"""How fast frames go through: weighted means over what was really measured, the newest counting most."""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

T = TypeVar("T")
_NEWEST: Final = 1 / 16
"""Weight of the newest of many values; the first few count alike."""


@dataclass(slots=True)
class _Mean:
    value: float = 0.0
    count: int = 0

    def add(self, value: float) -> None:
        self.count += 1
        self.value += max(_NEWEST, 1.0 / self.count) * (value - self.value)


class Pace:
    """What a frame costs, in seconds of wall clock under the load of the moment. Safe from several threads.

    Args:
        slots: Frames that the model can take at once: runners times the largest batch.
        workers: Threads that decode and encode.
        batch_max: Frames that one runner takes at once.
    """

    def __init__(self, slots: int = 1, workers: int = 1, batch_max: int = 1) -> None:
        self.slots = slots
        self._batch_max = batch_max
        self._workers = workers
        self._run_s = _Mean()
        self._worker_s = _Mean()
        self._unassigned_s = 0.0
        self._lock = threading.Lock()

    @property
    def known(self) -> bool:
        """Whether a frame was answered yet."""
        return self._run_s.count > 0

    @property
    def frame_s(self) -> float:
        """Time between two answers while the slower of the two stages never idles; 0 while it is not known."""
        return max(self._run_s.value / self.slots, self._worker_s.value / self._workers)

    @property
    def work_s(self) -> float:
        """Time that one frame is worked on, waiting left out; 0 while it is not known."""
        return self.work_of_s(1)

    def work_of_s(self, frames: int) -> float:
        """Time that a request of so many frames, which one runner answers, is worked on, waiting left out."""
        return math.ceil(frames / self._batch_max) * self._run_s.value + frames * self._worker_s.value

    def ran(self, seconds: float) -> None:
        """A batch that the model took at once, with a frame in it, took so long."""
        with self._lock:
            self._run_s.add(seconds)

    def timed(self, work: Callable[[], T]) -> T:
        """Do a worker's task, whatever comes of it, and note how long it took."""
        started_s = time.perf_counter()
        try:
            return work()
        finally:
            with self._lock:
                self._unassigned_s += time.perf_counter() - started_s

    def left(self, frames: int = 1) -> None:
        """A request of so many frames left: what the workers did since another one left is what these cost them."""
        with self._lock:
            for _ in range(frames):
                self._worker_s.add(self._unassigned_s / frames)
            self._unassigned_s = 0.0
