"""A run that is asked to stop finishes the step in hand and saves: who hears SIGINT and SIGTERM, and what they do then."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.context import SpawnContext, SpawnProcess

import cv2

_WORKER_GRACE_S = 5.0
_STOPS = {signal.SIGINT, signal.SIGTERM}


class _DeafProcess(SpawnProcess):
    """A process that hears no stop until it is ready for one: while it imports, it would die of it with a traceback."""

    def start(self) -> None:
        """Start it with the signals blocked, as it inherits what is blocked here."""
        # First, for it takes the block off as it starts.
        resource_tracker.ensure_running()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class LoaderContext(SpawnContext):
    """How the loader's processes are started; each calls `prepare_worker` when it is ready."""

    Process = _DeafProcess


def prepare_worker(_: int) -> None:
    """One thread, since the cores belong to the step; a stop is the main process's to handle, though all of its group hear it."""
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end_soon)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)


def _end_soon(*_: object) -> None:
    """Leave the main process the batch that it waits for; but end, for at its own exit it waits for this process."""
    end = threading.Timer(_WORKER_GRACE_S, os._exit, (0,))
    end.daemon = True
    end.start()


@contextmanager
def stop_requests() -> Iterator[Callable[[], bool]]:
    """SIGINT and SIGTERM ask the run to stop after the step in hand; a second one stops at once."""
    received: list[int] = []

    def request(number: int, _: object) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)

    before = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
