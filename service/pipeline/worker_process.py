"""A process that prepares frames, and that can be ended: a file that hangs its decoder, or brings it down, harms nothing else.

Both ends of one pipe: the service sends a file, the process asks for room for its pixels, and answers with the frame or the refusal.
"""

import math
import mmap
import os
import pickle
import select
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, Final, Never

import cv2

from service.pipeline.decoding.decode import HoldPixels
from service.pipeline.prepare import Preparation, PreparedFrame, prepare
from service.runtime.process import end_with_starter, limit_heap, python_calling

_START_S: Final = 60.0
_READY: Final = "ready"
_FRAME_BYTES_MAX: Final = 2**25
_SPARE_BYTES: Final = 2**24
"""What a process may keep for the next frame: those of up to five megapixels stay within it."""
_LENGTH: Final = struct.Struct("=Q")
_SHARED_BYTES: Final = 2**23
"""The largest answer, five views of a frame, takes half of it."""


class WorkerLost(Exception):  # noqa: N818 - says what happened
    """The process ended by itself."""


class SharedPipe:
    """One end of a pipe beside which both ends share memory for what is large. They take turns, so that one writes and one reads.

    A pipe holds a quarter of a frame, and who sends one through it and who receives it would wake each other again and again.

    Args:
        pipe: Carries all that is small.
        memory: A file of `_SHARED_BYTES` in memory that both ends have open.
    """

    def __init__(self, pipe: Connection, memory: int) -> None:
        self._pipe = pipe
        self._memory = mmap.mmap(memory, _SHARED_BYTES)
        self._arrival = select.poll()
        self._arrival.register(pipe.fileno(), select.POLLIN)

    def send(self, message: object) -> None:
        """Send what can be pickled; arrays, and what stands in a `PickleBuffer`, go through the memory as far as it reaches."""
        at = 0

        def goes_through_the_pipe(part: pickle.PickleBuffer) -> bool:
            nonlocal at
            raw = part.raw()
            start, end = at + _LENGTH.size, at + _LENGTH.size + raw.nbytes
            if end > _SHARED_BYTES:
                return True
            _LENGTH.pack_into(self._memory, at, raw.nbytes)
            self._memory[start:end] = raw
            at = end
            return False

        self._pipe.send_bytes(pickle.dumps(message, protocol=5, buffer_callback=goes_through_the_pipe))

    def poll(self, most_s: float) -> bool:
        """Whether there is something to receive within that time."""
        return bool(self._arrival.poll(math.ceil(1000 * most_s)))

    def receive(self) -> Any:  # noqa: ANN401 - what the other end sent
        """Receive it; arrays are read-only."""
        return pickle.loads(self._pipe.recv_bytes(), buffers=self._parts())  # noqa: S301 - the other end is ours

    def _parts(self) -> Iterator[bytes]:
        """What went through the memory, one after another, each behind its length."""
        at = 0
        while True:
            start, end = at + _LENGTH.size, at + _LENGTH.size + _LENGTH.unpack_from(self._memory, at)[0]
            yield self._memory[start:end]
            at = end

    def close(self) -> None:
        """Let go of both."""
        self._pipe.close()
        self._memory.close()


@contextmanager
def _shared_memory() -> Iterator[int]:
    """A file of zeros without a name, in memory where the system knows such files."""
    file = open(os.memfd_create("frames"), "wb") if hasattr(os, "memfd_create") else tempfile.TemporaryFile()  # noqa: PTH123, SIM115
    with file:
        file.truncate(_SHARED_BYTES)
        yield file.fileno()


def _started(*shared: int) -> subprocess.Popen[bytes]:
    """A process that serves these open files: its end of the pipe, and the memory."""
    # Processes work side by side, each on one core.
    one_core = "import os; os.environ['OPENBLAS_NUM_THREADS'] = '1'"
    command = [*python_calling(__name__, serve_pipe.__name__, one_core), *map(str, shared)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=shared)  # noqa: S603


class WorkerProcess:
    """One process, started with the object and used by one thread at a time."""

    def __init__(self) -> None:
        ours, theirs = Pipe()
        with theirs, _shared_memory() as memory:
            self._pipe = SharedPipe(ours, memory)
            self._process = _started(theirs.fileno(), memory)
        self._ready = False

    def prepare(self, body: bytes, wanted: Preparation, hold_pixels: HoldPixels, most_s: float) -> PreparedFrame:
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
            self._pipe.send((pickle.PickleBuffer(body), wanted))
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

    def _answer(self, hold_pixels: HoldPixels, until_s: float) -> PreparedFrame:
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
        answer: PreparedFrame | Exception | int | str = self._pipe.receive()
        return answer


class _NoRoom(Exception):  # noqa: N818
    """There is none for the pixels; the service knows why."""


def serve_pipe() -> Never:
    """The process's own side: serve until the pipe is closed, or the service is gone."""
    for told_to_all in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(told_to_all, signal.SIG_IGN)
    # One thread and one frame at a time leave no holes, and its pages serve for the next frame.
    limit_heap(_FRAME_BYTES_MAX, _SPARE_BYTES)
    cv2.setNumThreads(1)
    end_with_starter()
    pipe = SharedPipe(Connection(int(sys.argv[1])), int(sys.argv[2]))
    pipe.send(_READY)
    while True:
        try:
            body, wanted = pipe.receive()
        except EOFError:
            os._exit(0)
        pipe.send(_prepared(pipe, body, wanted))


def _prepared(pipe: SharedPipe, body: bytes, wanted: Preparation) -> PreparedFrame | Exception:
    def hold_pixels(pixels: int) -> None:
        pipe.send(pixels)
        if not pipe.receive():
            raise _NoRoom

    try:
        return prepare(body, wanted, hold_pixels)
    except Exception as error:  # noqa: BLE001 - told to the service, which knows what to make of it
        return error
