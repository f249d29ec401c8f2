"""Two sessions of one model on the CPU: all cores for a frame that is alone, one core each for frames side by side.

Threads that share a frame wait for one another in every layer: a tenth more CPU time a frame on two cores.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy.typing as npt


class SessionPair:
    """Runs a batch on one of two sessions, by whether another batch is running. Safe from several threads.

    Args:
        alone: Takes what comes while nothing runs.
        beside: Takes all else.
    """

    def __init__(self, alone: Any, beside: Any) -> None:  # noqa: ANN401 - onnxruntime has no types
        self._alone = alone
        self._beside = beside
        self._running = 0
        self._lock = threading.Lock()

    def run(self, outputs: Sequence[str], feeds: Mapping[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        """As a session's own `run`."""
        with self._chosen() as session:
            answer: list[npt.NDArray[Any]] = session.run(outputs, feeds)
        return answer

    @contextmanager
    def _chosen(self) -> Iterator[Any]:
        with self._lock:
            session = self._beside if self._running else self._alone
            self._running += 1
        try:
            yield session
        finally:
            with self._lock:
                self._running -= 1
