"""How fast frames go through: weighted means over what was really measured, the newest counting most."""

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
    """

    def __init__(self, slots: int = 1, workers: int = 1) -> None:
        self.slots = slots
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
        return self._run_s.value + self._worker_s.value

    def ran(self, seconds: float) -> None:
        """The batch that a frame was in took so long."""
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

    def left(self) -> None:
        """A frame left: what the workers did since another one left is what a frame costs them."""
        with self._lock:
            self._worker_s.add(self._unassigned_s)
            self._unassigned_s = 0.0
