"""The log's way out: lines are written by a thread of its own, so that whoever stops reading them holds up no frame."""

import logging
import os
import queue
import threading
import time
from contextlib import suppress
from typing import Final

_LOG = logging.getLogger("service.background")
_LINES_MAX: Final = 4096
_LAST_S: Final = 1.0
"""Longest time at the end for what is not written yet."""
_PAUSE_S: Final = 0.05


class QueuedHandler(logging.Handler):
    """Takes records and returns at once. A line that finds the queue full is lost; how many were is said once one got through.

    Args:
        descriptor: The open file that is written to; where nobody reads it any more lines go nowhere.
        lines_max: Most lines that wait.
    """

    def __init__(self, descriptor: int, lines_max: int = _LINES_MAX) -> None:
        super().__init__()
        self._descriptor = os.dup(descriptor)
        self._lines: queue.Queue[bytes | None] = queue.Queue(lines_max)
        self._counting = threading.Lock()
        self._lost = 0
        self._writer = threading.Thread(target=self._write, name="write log", daemon=True)
        self._writer.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Leave a line to be written."""
        try:
            self._lines.put_nowait(self._line(record))
        except queue.Full:
            with self._counting:
                self._lost += 1
        except Exception:  # noqa: BLE001 - as in logging's own handlers
            self.handleError(record)

    def close(self) -> None:
        """Write what waits, if somebody reads it."""
        with suppress(queue.Full):
            self._lines.put(None, timeout=_LAST_S)
            self._writer.join(_LAST_S)
        super().close()

    def _line(self, record: logging.LogRecord) -> bytes:
        return f"{self.format(record)}\n".encode("utf-8", "backslashreplace")

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            self._put(line)
            with self._counting:
                lost, self._lost = self._lost, 0
            if lost:
                self._put(self._line(_lost(lost)))
        os.close(self._descriptor)

    def _put(self, line: bytes) -> None:
        with suppress(OSError):
            while line:
                try:
                    line = line[os.write(self._descriptor, line) :]
                except BlockingIOError:  # whoever shares the file has made it so
                    time.sleep(_PAUSE_S)


def _lost(lines: int) -> logging.LogRecord:
    message = "lines of the log are lost: they were not read as fast as they came"
    return _LOG.makeRecord(_LOG.name, logging.WARNING, "", 0, message, (), None, extra={"lines": lines})
