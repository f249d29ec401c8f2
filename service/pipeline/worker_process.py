"""A process that prepares frames, and that can be ended: a file that hangs its decoder, or brings it down, harms nothing else.

Both ends of one pipe: the service sends a file, the process asks for room for its pixels, and answers with the frame or the refusal.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Final, Never

import cv2

from service.pipeline.prepare import Preparation, PreparedFrame, prepare
from service.runtime.process import limit_heap

_START_S: Final = 60.0
_READY: Final = "ready"


class WorkerLost(Exception):  # noqa: N818 - says what happened
    """The process ended by itself."""


class WorkerProcess:
    """One process, started with the object and used by one thread at a time."""

    def __init__(self) -> None:
        self._pipe, theirs = Pipe()
        # It finds what this process finds, wherever it was started; the folder that it stands in is left out of that.
        # Processes work side by side, each on one core.
        one_core = "import os; os.environ['OPENBLAS_NUM_THREADS'] = '1'; "
        paths = [path for path in sys.path if path]
        code = f"{one_core}import sys; sys.path[:] = {paths!r}; from {__name__} import serve_pipe; serve_pipe()"
        command = [sys.executable, "-P", "-W", "ignore", "-c", code, str(theirs.fileno())]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=(theirs.fileno(),))  # noqa: S603
        theirs.close()
        self._ready = False

    def prepare(
        self, body: bytes, wanted: Preparation, hold_pixels: Callable[[int], None], most_s: float
    ) -> PreparedFrame:
        """Have a frame prepared; see `service.pipeline.prepare.prepare`.

        Raises:
            RequestError: What the process, or `hold_pixels`, says of it.
            TimeoutError: It takes longer than `most_s`; end the process.
            WorkerLost: The process is gone.
            RuntimeError: It did not start.
        """
        self._await_start()
        try:
            until_s = time.perf_counter() + most_s
            self._pipe.send((body, wanted))
            return self._answer(hold_pixels, until_s)
        except (EOFError, OSError) as error:
            if isinstance(error, TimeoutError):
                raise
            raise WorkerLost from error

    def kill(self) -> None:
        """End it, whatever it is doing; the thread that uses it is told, and does the rest (`end`)."""
        self._process.kill()

    def end(self) -> None:
        """End it, and let go of it."""
        self._process.kill()
        self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()
        self._pipe.close()

    def _await_start(self) -> None:
        if self._ready:
            return
        try:
            self._receive(time.perf_counter() + _START_S)
        except (EOFError, OSError) as error:
            raise RuntimeError("found a decoding process that does not start, expected it ready") from error
        self._ready = True

    def _answer(self, hold_pixels: Callable[[int], None], until_s: float) -> PreparedFrame:
        """What comes first is the number of pixels, if the header was worth it; the process waits until there is room."""
        answer = self._receive(until_s)
        if isinstance(answer, int):
            try:
                hold_pixels(answer)
            except BaseException:
                self._pipe.send(False)
                self._receive(until_s)
                raise
            self._pipe.send(True)
            answer = self._receive(until_s)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, PreparedFrame)  # noqa: S101 - there is nothing else
        return answer

    def _receive(self, until_s: float) -> PreparedFrame | Exception | int | str:
        if not self._pipe.poll(max(0.0, until_s - time.perf_counter())):
            raise TimeoutError
        answer: PreparedFrame | Exception | int | str = self._pipe.recv()
        return answer


class _NoRoom(Exception):  # noqa: N818
    """There is none for the pixels; the service knows why."""


def serve_pipe() -> Never:
    """The process's own side: serve until the pipe is closed, or the service is gone."""
    for told_to_all in (signal.SIGINT, signal.SIGTERM):
        signal.signal(told_to_all, signal.SIG_IGN)
    limit_heap()
    cv2.setNumThreads(1)
    threading.Thread(target=_end_with_the_service, daemon=True).start()
    pipe = Connection(int(sys.argv[1]))
    pipe.send(_READY)
    while True:
        try:
            body, wanted = pipe.recv()
        except EOFError:
            os._exit(0)
        pipe.send(_prepared(pipe, body, wanted))


def _prepared(pipe: Connection, body: bytes, wanted: Preparation) -> PreparedFrame | Exception:
    def hold_pixels(pixels: int) -> None:
        pipe.send(pixels)
        if not pipe.recv():
            raise _NoRoom

    try:
        return prepare(body, wanted, hold_pixels)
    except Exception as error:  # noqa: BLE001 - told to the service, which knows what to make of it
        return error


def _end_with_the_service() -> Never:
    """Nothing is ever written there: it ends when the service does, however that came about."""
    sys.stdin.buffer.read()
    os._exit(0)
