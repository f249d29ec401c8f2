"""The processes of a run: who hears SIGINT and SIGTERM, and followers that take each step too, of which none outlives the rest.

A run that is asked to stop finishes the step in hand and saves.
"""

import fcntl
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import connection, parent_process, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

import cv2

from training.engine.checkpoint import CheckpointError

_GRACE_S = 10.0

Follow = Callable[[int, Path], None]
"""(its number, where all meet) -> None: what a follower does."""
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


class DeafContext(SpawnContext):
    """How other processes are started: the loader's, of which each calls `prepare_worker` when it is ready, and followers."""

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
def alone(out: Path) -> Iterator[None]:
    """Hold the folder against another process, which would write into the same files. Raises CheckpointError where one holds it."""
    folder = os.open(out, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(folder)
        raise CheckpointError(
            f"{out}: another process trains in this folder; let it end, or choose another --out"
        ) from None
    except OSError:
        """A network share without locks."""
    try:
        yield
    finally:
        os.close(folder)


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


class FollowerError(RuntimeError):
    """A process that a run cannot do without has ended; the message says which and how."""


class _Follower(NamedTuple):
    number: int
    process: BaseProcess
    words: Connection


@contextmanager
def followers(count: int, follow: Follow) -> Iterator[Path]:
    """Start processes 1 to `count`, which `follow`, and yield where all meet; none of them is left after it.

    Raises:
        FollowerError: One of them ended without a word, killed for its memory for instance. Where the leader cannot see that, for it
            waits for the others inside of a library, it says so and ends after ten seconds.
        Exception: What a follower raised, where it did.
    """
    with tempfile.TemporaryDirectory(prefix="smoke-bvm-train-") as folder:
        meeting = Path(folder) / "meeting"
        started = [_start(follow, number, meeting) for number in range(1, count + 1)]
        over = threading.Event()
        if started:
            threading.Thread(target=_end_without, args=(started, over), daemon=True).start()
        try:
            for follower in started:
                _expect(follower)
            yield meeting
            _await(started)
        except Exception as error:
            _await(started)
            cause = _cause(error, started)
            if cause is error:
                raise
            raise cause from error
        finally:
            over.set()
            for follower in started:
                follower.process.kill()
                follower.process.join()


def _start(follow: Follow, number: int, meeting: Path) -> _Follower:
    context = DeafContext()
    words, told = context.Pipe(duplex=False)
    # It stays deaf: when to stop is the leader's to say.
    process = context.Process(target=_follow, args=(follow, number, meeting, told))
    process.start()
    told.close()
    return _Follower(number, process, words)


def _follow(follow: Follow, number: int, meeting: Path, leader: Connection) -> None:
    threading.Thread(target=_end_with_the_leader, daemon=True).start()
    leader.send(None)
    try:
        follow(number, meeting)
    except Exception as error:  # noqa: BLE001 - whatever it is, the leader raises it
        leader.send(error)
        sys.exit(1)


def _end_with_the_leader() -> None:
    leader = parent_process()
    assert leader is not None  # noqa: S101 - for mypy
    leader.join()
    os._exit(1)


def _end_without(started: Sequence[_Follower], over: threading.Event) -> None:
    """End this process where a follower is dead and the main thread does not notice."""
    left = {follower.process.sentinel: follower for follower in started}
    while left:
        for sentinel in connection.wait(list(left)):
            follower = left.pop(sentinel)  # type: ignore[arg-type]  # no other was waited for
            # First the wait: two threads that ask how a process ended take the answer from each other, and one believes that it lives.
            if not over.wait(_GRACE_S) and follower.process.exitcode != 0:
                sys.stderr.write(f"{_death(follower)}\n")
                os._exit(2)


def _expect(follower: _Follower) -> None:
    """Wait until it runs. Raises FollowerError where it never will."""
    try:
        follower.words.recv()
    except EOFError:
        raise _death(follower) from None


def _await(started: Sequence[_Follower]) -> None:
    """Let followers end by themselves, as they do when they are done, or when the leader has left."""
    for follower in started:
        follower.process.join(_GRACE_S)


def _cause(error: Exception, started: Sequence[_Follower]) -> Exception:
    """Why the leader could not go on: its own error, unless all that it says is that another process is gone."""
    ends = (_end(follower) for follower in started if not follower.process.is_alive())
    return min((error, *(end for end in ends if end)), key=_is_lost_connection)


def _is_lost_connection(error: Exception) -> bool:
    return isinstance(error, RuntimeError) and any(library in str(error) for library in ("gloo", "NCCL"))


def _end(follower: _Follower) -> Exception | None:
    """What it ended with, if not well."""
    try:
        error: Exception | None = follower.words.recv()
    except EOFError:
        error = _death(follower) if follower.process.exitcode else None
    return error


def _death(follower: _Follower) -> FollowerError:
    follower.process.join(_GRACE_S)
    code = follower.process.exitcode or 0
    how = f"killed by signal {-code}, as for want of memory" if code < 0 else f"ended with {code}"
    return FollowerError(f"process {follower.number + 1}: {how}; the same command goes on from the last checkpoint")
