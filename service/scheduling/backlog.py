"""Who waits before whom, how long a newcomer would wait, and whether that is too long to let it in.

The estimate is made at the door, before a body is read: frames ahead times the measured time between two answers. Frames
ahead are those that the fair queue would serve first, so a camera that floods lengthens its own wait and nobody else's. A
request for tiles is as many frames as it has views.
"""

import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from service.errors import DeadlineTooShort, ServiceFull
from service.scheduling.context import Ticket
from service.scheduling.service_time import Pace

_RETRY_MAX_S: Final = 30
_SHORT_BURST_S: Final = 0.25
_SCATTER: Final = 2.0
"""A deadline of so many times the mean work on a frame leaves room for that work; a shorter one is missed by chance alone."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an estimated wait may be.

    Attributes:
        wait_max_s: For any frame; 0 for as long as the work on a frame takes.
        burst_s: A burst that will be over so long after it began is let in: the only frame of each camera. 0 for none.
    """

    wait_max_s: float = 0.0
    burst_s: float = 0.0


class Line:
    """Everybody inside. Belongs to the event loop's thread, but for `wait_s`.

    Args:
        pace: How fast it moves.
        patience: How long it may be.
        clock: Gives seconds, as a ticket's times are given.
    """

    def __init__(self, pace: Pace, patience: Patience, clock: Callable[[], float] = time.perf_counter) -> None:
        self._pace = pace
        self._patience = patience
        self._clock = clock
        self._inside = 0
        self._lanes: Counter[str | None] = Counter()
        self._requests: Counter[str | None] = Counter()
        self._sending: dict[Spot, float] = {}
        self._busy = _Spell()
        self._crowd = _Spell()
        self._owed = _Owed()

    @property
    def wait_s(self) -> float:
        """How long a frame would wait behind all those inside."""
        return self._inside * self._pace.frame_s

    def enter(self, ticket: Ticket) -> "Spot":
        """Take a spot, before the body is read.

        Raises:
            ServiceFull: The wait would be too long, or longer than the caller's deadline.
            DeadlineTooShort: There is a wait, and the deadline could not be met without one.
        """
        self._lapse()
        self._check(ticket)
        spot = Spot(self, ticket)
        self._sending[spot] = self._clock()
        self._count(ticket, 1)
        return spot

    def too_short(self, ticket: Ticket) -> bool:
        """Whether its caller gives less time than the work on its frame takes, waiting left out."""
        given_s = ticket.deadline_s - ticket.arrived_s
        return ticket.hurried and self._pace.known and given_s < _SCATTER * self._pace.work_of_s(ticket.frames)

    def arrive(self, spot: "Spot") -> None:
        """The body is there. A spot that has lapsed meanwhile is taken anew: who was let in is not sent away."""
        if self._sending.pop(spot, None) is None:
            self._count(spot.ticket, 1)

    def leave(self, spot: "Spot") -> None:
        """Whatever became of the frame, nobody waits for it any more."""
        if spot.arrived:
            self._pace.left(spot.ticket.frames)
        if spot.arrived or self._sending.pop(spot, None) is not None:
            self._count(spot.ticket, -1)

    def _lapse(self) -> None:
        """A body that is slow to arrive holds no spot: frames that are there go first."""
        oldest_s = self._clock() - self._bound_s
        for spot in [spot for spot, since_s in self._sending.items() if since_s < oldest_s and self._pace.known]:
            del self._sending[spot]
            self._count(spot.ticket, -1)

    def _check(self, ticket: Ticket) -> None:
        ahead = self._ahead(ticket)
        wait_s = ahead * self._pace.frame_s
        if not ahead or not self._pace.known:
            return
        most_s = ticket.deadline_s - self._clock() - self._pace.work_of_s(ticket.frames)
        # While a runner could come to idle, waiting is not what takes time.
        if ahead >= 2 * self._pace.slots:
            most_s = min(most_s, self._patience_s(ticket))
        if wait_s > most_s and self.too_short(ticket):
            work_ms = 1000 * self._pace.work_of_s(ticket.frames)
            given_ms = 1000 * (ticket.deadline_s - ticket.arrived_s)
            raise DeadlineTooShort(
                f"found a deadline of {given_ms:g} ms, expected the {work_ms:.0f} ms of work on a frame"
            )
        if wait_s > most_s:
            raise self._refusal(wait_s, max(0.0, most_s))

    def _ahead(self, ticket: Ticket) -> int:
        """Frames that the cameras' turns put before this one; a `latest` frame takes the place of one of its own."""
        own = self._own(ticket)
        others = ((count, count / self._requests[lane]) for lane, count in self._lanes.items() if lane != ticket.camera)
        return own + math.ceil(sum(min(count, own + request) for count, request in others))

    def _own(self, ticket: Ticket) -> int:
        own = self._lanes.get(ticket.camera, 0)
        return max(0, own - ticket.frames) if ticket.latest else own

    @property
    def _bound_s(self) -> float:
        return self._patience.wait_max_s or self._pace.work_s

    def _patience_s(self, ticket: Ticket) -> float:
        """Anybody may wait for the end of a short burst, a camera's only frame for that of a long one.

        Where frames keep coming there is no end to wait for: it is as if there were no burst.
        """
        now_s, pause_s = self._clock(), self._pace.work_s
        short_s = min(_SHORT_BURST_S, self._patience.burst_s) - self._busy.age_s(now_s, pause_s)
        if ticket.camera is None or self._own(ticket):
            return max(self._bound_s, short_s)
        return max(self._bound_s, short_s, self._patience.burst_s - self._crowd.age_s(now_s, pause_s))

    def _count(self, ticket: Ticket, requests: int) -> None:
        camera, frames = ticket.camera, requests * ticket.frames
        self._inside += frames
        self._lanes[camera] += frames
        self._requests[camera] += requests
        if not self._requests[camera]:
            del self._lanes[camera], self._requests[camera]
        now_s, pause_s = self._clock(), self._pace.work_s
        self._busy.note(self._inside > 0, now_s, pause_s)
        self._crowd.note(len(self._lanes) > 1, now_s, pause_s)

    def _refusal(self, wait_s: float, most_s: float) -> ServiceFull:
        retry_s = wait_s - most_s + self._owed.add(self._pace.frame_s, self._clock())
        return ServiceFull(
            f"found about {1000 * wait_s:.0f} ms of frames ahead, expected at most {1000 * most_s:.0f} ms of them",
            min(_RETRY_MAX_S, max(1, math.ceil(retry_s))),
        )


class Spot:
    """One frame's part in the line."""

    def __init__(self, line: Line, ticket: Ticket) -> None:
        self.ticket = ticket
        self.arrived = False
        self._line = line

    def arrive(self) -> None:
        """See `Line.arrive`."""
        self._line.arrive(self)
        self.arrived = True

    def leave(self) -> None:
        """See `Line.leave`."""
        self._line.leave(self)


@dataclass(slots=True)
class _Spell:
    """For how long something has been the case without a pause; a pause shorter than the work on a frame is chance."""

    lasts: bool = False
    since_s: float = -math.inf
    ended_s: float = -math.inf

    def note(self, lasts: bool, now_s: float, pause_s: float) -> None:
        if lasts and not self.lasts and now_s - self.ended_s >= pause_s:
            self.since_s = now_s
        if self.lasts and not lasts:
            self.ended_s = now_s
        self.lasts = lasts

    def age_s(self, now_s: float, pause_s: float) -> float:
        if not self.lasts and now_s - self.ended_s >= pause_s:
            return 0.0
        return now_s - self.since_s


@dataclass(slots=True)
class _Owed:
    """How long it would take to serve all who were refused, were they to come back: it spreads their return."""

    seconds: float = 0.0
    at_s: float = 0.0

    def add(self, seconds: float, now_s: float) -> float:
        left_s = max(0.0, self.seconds - (now_s - self.at_s))
        self.seconds, self.at_s = min(float(_RETRY_MAX_S), left_s + seconds), now_s
        return self.seconds
