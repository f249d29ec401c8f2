"""When a frame was taken, as far as its camera's clock can be believed: a time that goes on whatever the stamps do.

Stamps put frames in order and say how far they are apart, so that one that comes late does not count, and a backlog is not one
moment. But clocks run fast or slow, are in another time zone, set back, put right, cut to the minute, or stuck, and smoke must be
counted all the same. So, with the skew of a frame = its stamp - its arrival:

skew above a minute       nothing but a wrong clock, its or ours: it counts as taken when it came (`ahead`)
stamp before the newest   it is late; but a second one in a row, newer than the first, says that the clock was set back
stamp as the newest       another picture under the same stamp: as long after the last one as it came after it
skew no longer off        the clock was put right: what was seen before moves along, as far apart as it came
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

SKEW_MAX_S: Final = 60.0
"""From here on a clock is called wrong."""


class Arrival(StrEnum):
    """Whether a frame counts for its camera's alarm.

    Attributes:
        COUNTED: It does.
        LATE: It does not: it is older than the newest that did.
        DUPLICATE: It does not: the same frame was seen before.
        AHEAD: It does, as taken when it came: its stamp is in the future.
        UNKNOWN: The store of the cameras' states does not answer.
    """

    COUNTED = "counted"
    LATE = "late"
    DUPLICATE = "duplicate"
    AHEAD = "ahead"
    UNKNOWN = "unknown"

    @property
    def counts(self) -> bool:
        """Whether a frame that came like this counts."""
        return self in (Arrival.COUNTED, Arrival.AHEAD)


class Stamp(NamedTuple):
    """When a frame was taken by its camera's clock, if it says so, and came by ours; and a hash of its bytes."""

    captured_s: float | None
    arrived_s: float
    body: int = 0

    @property
    def skew_s(self) -> float:
        """How far the camera's clock is ahead of ours, with the way here taken for nothing."""
        return 0.0 if self.captured_s is None else self.captured_s - self.arrived_s

    def same_frame(self, other: "Stamp") -> bool:
        """Whether both are of one frame, that came twice: the same bytes, taken at the same time."""
        return self.captured_s is not None and (self.captured_s, self.body) == (other.captured_s, other.body)


class Reading(NamedTuple):
    """What a frame's time is.

    Attributes:
        arrival: Whether it counts.
        time_s: When it was taken, in the camera's time.
        shift_s: What the times of all earlier frames move by: the clock was set back or put right.
        wrong: The clock cannot be relied on.
    """

    arrival: Arrival
    time_s: float
    shift_s: float = 0.0
    wrong: bool = False


@dataclass(slots=True)
class CameraClock:
    """A camera's clock: its newest stamp that counted, whether that was far off, and the last frame that came late since."""

    newest_s: float = -math.inf
    off: bool = False
    late: Stamp | None = None

    def read(self, stamp: Stamp, before_s: float, elapsed_s: float | None, patience_s: float) -> Reading:
        """Take the next frame's stamp in.

        Args:
            stamp: The frame's; no duplicate.
            before_s: The time of the newest frame that counted.
            elapsed_s: How long ago that came; None where there was none since the start.
            patience_s: For how long nothing but late frames is believed.
        """
        arrival = Arrival.AHEAD if stamp.skew_s > SKEW_MAX_S else Arrival.COUNTED
        captured_s = stamp.captured_s
        if captured_s is None or arrival is Arrival.AHEAD:
            self.off = self.off or captured_s is not None
            time_s = stamp.arrived_s if elapsed_s is None else before_s + elapsed_s
            return Reading(arrival, time_s, wrong=captured_s is not None)
        elapsed_s = elapsed_s or 0.0
        newest_s = self.newest_s if math.isfinite(self.newest_s) else before_s
        back = captured_s < newest_s
        if back and not self._set_back(stamp) and elapsed_s <= patience_s:
            self.late = stamp
            return Reading(Arrival.LATE, before_s)
        off, was_off = stamp.skew_s < -SKEW_MAX_S, self.off
        wrong = off or back or captured_s == newest_s
        self.newest_s, self.off, self.late = captured_s, off, None
        if math.isfinite(before_s) and (back or (was_off and not off)):
            return Reading(arrival, captured_s, captured_s - elapsed_s - before_s, wrong)
        return Reading(arrival, captured_s if captured_s > before_s else before_s + elapsed_s, wrong=wrong)

    def _set_back(self, stamp: Stamp) -> bool:
        """Whether this is the second late frame in a row, and not an older one or the same once more."""
        if self.late is None or self.late.captured_s is None or stamp.captured_s is None:
            return False
        return stamp.captured_s >= self.late.captured_s and not stamp.same_frame(self.late)
