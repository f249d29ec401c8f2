"""One camera's alarm: smoke at one place in k of the last n frames, weighed by confidence and doubt. Pure; the clock is passed in.

Over the last n counted frames (a damaged one with smoke is half a frame), none older than the window (or than an hour, if they come
that rarely), E is the largest evidence of any place (see `evidence`) and R the same without the weights of doubt and of damage:
`clear -> suspected` at the first region, `-> alarm` when E >= k, `-> clear` when E < hold k; `review` while R >= k and E < k, which is
smoke that stays in damaged files, or that the gate doubts where a rule lets that weigh less.
"""

import math
import secrets
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, NamedTuple

from service.cameras.clock import Arrival, CameraClock, Stamp
from service.cameras.evidence import (
    DAMAGED_WEIGHT,
    AlarmPolicy,
    Evidence,
    RegionObservation,
    RelativeBox,
    merge_places,
    silent_above,
    weigh,
)

ALARM_ID: Final = r"^[0-9]{8}T[0-9]{9}Z-[0-9a-f]{16}$"
"""When an alarm was raised, to the millisecond and by our clock, and 64 random bits: ids sort by time, and cannot be guessed."""
_PLACES_MAX: Final = 16
_RARE_S: Final = 3600.0
"""Longest time over which the frames of a camera that sends rarely count."""
COUNTED_REGIONS_MAX: Final = 8
"""Most regions of a frame that count, the largest ones."""


class AlarmState(StrEnum):
    """No smoke; smoke, but not for long; an alarm; smoke that stays but weighs too little; the store that knows does not answer."""

    CLEAR = "clear"
    SUSPECTED = "suspected"
    ALARM = "alarm"
    REVIEW = "review"
    UNKNOWN = "unknown"

    @property
    def urgency(self) -> int:
        """An alarm before a review before a suspicion before nothing."""
        return (AlarmState.UNKNOWN, AlarmState.CLEAR, AlarmState.SUSPECTED, AlarmState.REVIEW, AlarmState.ALARM).index(
            self
        )


class Acknowledgement(NamedTuple):
    """Who has taken an alarm on, and when (seconds since 1970)."""

    by: str
    at_s: float


@dataclass(frozen=True, slots=True)
class AlarmUpdate:
    """What a frame did to its camera: whether it counted, whether an alarm was raised, the state before it, the camera's clock.

    `shift_s`: what the times of all earlier frames moved by, as the clock was set.
    """

    arrival: Arrival
    raised: bool
    before: AlarmState
    clock_wrong: bool = False
    shift_s: float = 0.0


@dataclass(frozen=True, slots=True)
class _Seen:
    stamp: Stamp
    time_s: float
    regions: Sequence[RegionObservation]

    @property
    def weight(self) -> float:
        """What it counts for in the window: less where it is evidence of a damaged file."""
        return DAMAGED_WEIGHT if any(region.damaged for region in self.regions) else 1.0


@dataclass(slots=True)
class CameraAlarm:
    """A camera's state. Times are seconds since 1970, by the camera's clock (see `clock`), `arrived` by ours.

    Attributes:
        state, since_s: What it is, and since when.
        score: E / k; an alarm is raised from 1 on.
        frames: Frames of the window with smoke at the place that E is of.
        newest_s: When the newest counted frame was taken.
        ended_s, counted_s: When the last alarm ended (captured), and when a frame last counted (arrived).
        places: Boxes at which the present alarm was raised, or the last one.
        silent_above: At a higher threshold the alarm, or the last one, would not have been raised up to now; 0 where that is not known.
        restored: The state comes from before a restart, and not yet enough frames were seen to confirm it or to let it go.
        id: Of the present alarm, or of the last one; None before the first.
        acknowledged: By whom the present alarm was taken on; None where it was not, and in any other state.
    """

    state: AlarmState = AlarmState.CLEAR
    since_s: float = 0.0
    score: float = 0.0
    frames: int = 0
    newest_s: float = -math.inf
    places: list[RelativeBox] = field(default_factory=list)
    ended_s: float = -math.inf
    silent_above: float = 0.0
    restored: bool = False
    counted_s: float = -math.inf
    id: str | None = None
    acknowledged: Acknowledgement | None = None
    _window: deque[_Seen] = field(default_factory=deque)
    _clock: CameraClock = field(default_factory=CameraClock)

    def observe(self, stamp: Stamp, regions: Sequence[RegionObservation], policy: AlarmPolicy) -> AlarmUpdate:
        """Take a frame in.

        Args:
            stamp: When it was taken and came; the same bytes taken at the same time are the same frame.
            regions: Those found in it.
            policy: May differ from one frame to the next.
        """
        before = self.state
        if any(seen.stamp.same_frame(stamp) for seen in self._window):
            return AlarmUpdate(Arrival.DUPLICATE, raised=False, before=before)
        elapsed_s = max(0.0, stamp.arrived_s - self.counted_s) if self._window else None
        reading = self._clock.read(stamp, self.newest_s, elapsed_s, policy.window_s)
        if reading.arrival is Arrival.LATE:
            return AlarmUpdate(Arrival.LATE, raised=False, before=before)
        self._shift(reading.shift_s)
        span_s = self._span_s(reading.time_s, policy)
        self.newest_s, self.counted_s = reading.time_s, stamp.arrived_s
        self._window.append(_Seen(stamp, self.newest_s, regions[:COUNTED_REGIONS_MAX]))
        while self._outgrown(policy, span_s):
            self._window.popleft()
        return AlarmUpdate(reading.arrival, self._decide(policy), before, reading.wrong, reading.shift_s)

    def _span_s(self, time_s: float, policy: AlarmPolicy) -> float:
        """How far back frames count: the window, or longer for a camera that sends so rarely that too few would be left in it."""
        pause_s = time_s - self._window[-1].time_s if self._window else 0.0
        return max(policy.window_s, min(_RARE_S, policy.hits * pause_s))

    def _outgrown(self, policy: AlarmPolicy, span_s: float) -> bool:
        """Whether the oldest frame is beyond the window, which is as much longer as its frames weigh less."""
        weight = sum(seen.weight for seen in self._window)
        longest_s = span_s * len(self._window) / weight
        return weight > policy.frames or self._window[0].time_s < self.newest_s - longest_s

    def resume(self, seconds: float) -> None:
        """The camera looked elsewhere for so long: what was seen before is as far away from now as when it turned away."""
        if math.isfinite(self.newest_s):
            self.newest_s += seconds
            self.counted_s += seconds
        self._shift(seconds)

    def hand_over(self, frames: int) -> "CameraAlarm":
        """An alarm that begins with so many of the last frames; this one loses them, as they showed another view."""
        last = [self._window.pop() for _ in range(min(frames, len(self._window)))]
        if self.state is AlarmState.SUSPECTED and not any(seen.regions for seen in self._window):
            self._enter(AlarmState.CLEAR)
        clock, window = replace(self._clock), deque(reversed(last))
        return CameraAlarm(newest_s=self.newest_s, counted_s=self.counted_s, _window=window, _clock=clock)

    def _shift(self, seconds: float) -> None:
        """The camera's clock was set: keep what was seen as far away from now as it came."""
        if seconds:
            self.ended_s += seconds
            self._window = deque(replace(seen, time_s=seen.time_s + seconds) for seen in self._window)

    def _decide(self, policy: AlarmPolicy) -> bool:
        """Move to the state that the window speaks for; returns whether an alarm was raised."""
        evidence = weigh([seen.regions for seen in self._window], policy)
        self.score = evidence.most / policy.hits
        self.frames = evidence.most_frames
        if self._still_restored(policy):
            return False
        if self.state is AlarmState.ALARM and evidence.most < policy.hold * policy.hits:
            self._end()
        lasting = self.state is AlarmState.ALARM
        raised = self._raise(evidence, policy)
        if raised or not lasting:
            self._enter(AlarmState.ALARM if raised else self._below_alarm(evidence, policy))
        if raised or lasting:
            now = silent_above([seen.regions for seen in self._window], policy)
            self.silent_above = max(now, self.silent_above) if lasting else now
        return raised

    def _still_restored(self, policy: AlarmPolicy) -> bool:
        """What was raised before a restart is kept until it is confirmed, or until the window is full again."""
        if self.restored and (self.score >= 1.0 or len(self._window) >= policy.frames):
            self.restored = False
        return self.restored and self.state in (AlarmState.ALARM, AlarmState.REVIEW)

    def _raise(self, evidence: Evidence, policy: AlarmPolicy) -> bool:
        """Raise an alarm at places that have none; one that lasts grows with its plume, one that cools down stays quiet."""
        lasting = self.state is AlarmState.ALARM
        cooling = abs(self.newest_s - self.ended_s) < policy.cooldown_s
        known = self.places if lasting or cooling else []
        found = merge_places(known, evidence.boxes[evidence.weighed >= policy.hits], policy)[:_PLACES_MAX]
        raised = len(found) > len(known)
        if lasting or raised:
            self.places = found
        return raised

    def _below_alarm(self, evidence: Evidence, policy: AlarmPolicy) -> AlarmState:
        """Review with hysteresis, or suspicion, or nothing."""
        limit = policy.hold * policy.hits if self.state is AlarmState.REVIEW else policy.hits
        if evidence.most < policy.hits and evidence.most_undoubted >= limit:
            return AlarmState.REVIEW
        return AlarmState.SUSPECTED if any(seen.regions for seen in self._window) else AlarmState.CLEAR

    def _end(self) -> None:
        """The alarm is over; of what led to it only the newest frame may raise suspicion again."""
        self.ended_s = self.newest_s
        newest = self._window.pop()
        self._window.clear()
        self._window.append(newest)
        self._enter(AlarmState.CLEAR)

    def _enter(self, state: AlarmState) -> None:
        if state is not self.state:
            self.state, self.since_s, self.acknowledged = state, self.newest_s, None
            if state is AlarmState.ALARM:
                self.id = new_alarm_id(self.counted_s)


def new_alarm_id(raised_s: float) -> str:
    """A new ALARM_ID; `raised_s` is in seconds since 1970."""
    return f"{alarm_id_since(raised_s)}-{secrets.token_hex(8)}"


def alarm_id_since(raised_s: float) -> str:
    """What the ids of alarms that were raised then begin with: later ones sort behind it, earlier ones before."""
    moment = datetime.fromtimestamp(max(0.0, raised_s), UTC)
    return f"{moment:%Y%m%dT%H%M%S}{moment.microsecond // 1000:03d}Z"
