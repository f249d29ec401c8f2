"""When a source's next frame is due, and what any reader may raise."""

import math
import time
from collections.abc import Callable
from typing import Final

_STEP_S: Final = 1.0


class ReadingFailed(Exception):  # noqa: N818 - says what happened
    """The source gives no frames; the message says what was found and what was expected."""


class Pace:
    """An interval between frames: the first is due at once, one that comes a little late does not move the rest."""

    def __init__(self, interval_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval_s = interval_s
        self._clock = clock
        self._due_s = -math.inf

    @property
    def left_s(self) -> float:
        """Until the next frame is due; 0 if it is."""
        return max(0.0, self._due_s - self._clock())

    @property
    def due(self) -> bool:
        """Whether a frame is wanted."""
        return not self.left_s

    def taken(self) -> None:
        """A frame was taken."""
        now_s = self._clock()
        late = now_s - self._due_s >= self._interval_s
        self._due_s = self._interval_s + (now_s if late else self._due_s)

    def poll_s(self) -> float:
        """How long to wait before a place is looked at again in which nothing new was."""
        return min(_STEP_S, self._interval_s)
