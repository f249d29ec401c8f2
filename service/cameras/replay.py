"""What the alarm would have made of a recording, and a plain count of frames with smoke beside it.

An alarm is true if, in a frame of its window, smoke was found where people saw smoke, at the place of the alarm; where they saw smoke
and drew no box, any place will do. The time to detection is from the first frame with smoke on it by the labels to the first one under
a true alarm.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from service.cameras.alarm import AlarmState, AlarmUpdate, CameraAlarm
from service.cameras.clock import Stamp
from service.cameras.evidence import AlarmPolicy, RegionObservation, RelativeBox, overlaps

ALARM: Final = "alarm"
PLAIN: Final = "plain k of n"


@dataclass(frozen=True, slots=True)
class ReplayFrame:
    """A frame of a recording: what the model found, and what people saw (None: nobody looked), in fractions of the frame."""

    regions: tuple[RegionObservation, ...]
    smoke: bool | None = None
    truth: tuple[RelativeBox, ...] = ()


@dataclass(frozen=True, slots=True)
class ReplayStep:
    """What the alarm makes of a frame.

    Attributes:
        number: Of the frame, from 0.
        state, score: Of the camera after it.
        raised: Whether it raises an alarm.
        right: Whether there is smoke where the alarm is, by the labels; None where nobody looked.
        reviewed: Whether a review begins with it.
    """

    number: int
    state: AlarmState
    score: float
    raised: bool
    right: bool | None
    reviewed: bool


@dataclass(frozen=True, slots=True)
class ReplayOutcome:
    """What a policy made of one recording.

    Attributes:
        frames, hours: Watched.
        alarms, false_alarms, reviews: How often each was raised; false ones are None where nobody looked.
        smoke: Whether there was any, by the labels.
        detected_s: Time to detection; None where it was not detected.
    """

    frames: int
    hours: float
    alarms: int
    false_alarms: int | None
    reviews: int
    smoke: bool
    detected_s: float | None


@dataclass(frozen=True, slots=True)
class ReplayTotals:
    """Outcomes of several recordings in one line; what is said of false alarms is None where nobody looked.

    A camera-day is 24 of the hours that cameras were watched for, whichever cameras: rates of short recordings are extrapolated.
    """

    cameras: int
    frames: int
    hours: float
    fires: int
    detected: int
    median_detection_s: float | None
    median_detection_minutes: float | None
    alarms: int
    alarms_per_camera_day: float | None
    false_alarms: int | None
    false_alarms_per_hour: float | None
    false_alarms_per_camera_day: float | None
    reviews: int


def policies(base: AlarmPolicy) -> dict[str, AlarmPolicy]:
    """What is compared; the plain count knows neither places nor weights, hysteresis or cooldown."""
    blind = {"doubted": 1.0, "sure": 0.0, "overlap": 0.0, "margin": 1.0, "hold": 1.0, "cooldown_s": 0.0}
    return {ALARM: base, PLAIN: base.model_copy(update=blind)}


def watch(frames: Sequence[ReplayFrame | None], interval_s: float, policy: AlarmPolicy) -> Iterator[ReplayStep]:
    """Show a recording to a fresh camera; a frame that could not be read (None) takes its time and changes nothing."""
    alarm = CameraAlarm()
    for number, frame in enumerate(frames):
        if frame is None:
            continue
        now_s = number * interval_s
        update = alarm.observe(Stamp(now_s, now_s), frame.regions, policy)
        window = [seen for seen in frames[max(0, number + 1 - policy.frames) : number + 1] if seen]
        yield ReplayStep(
            number,
            alarm.state,
            alarm.score,
            update.raised,
            _judged(alarm, window, policy),
            reviewed=_newly(alarm, update),
        )


def replay(frames: Sequence[ReplayFrame | None], interval_s: float, policy: AlarmPolicy) -> ReplayOutcome:
    """What a fresh camera makes of a recording."""
    steps = list(watch(frames, interval_s, policy))
    first = next((number for number, frame in enumerate(frames) if frame and frame.smoke), None)
    found = (step.number for step in steps if step.state is AlarmState.ALARM and step.right)
    detected = next(found, None) if first is not None else None
    looked = all(frame.smoke is not None for frame in frames if frame)
    return ReplayOutcome(
        frames=len(steps),
        hours=len(frames) * interval_s / 3600,
        alarms=sum(step.raised for step in steps),
        false_alarms=sum(step.raised and not step.right for step in steps) if looked else None,
        reviews=sum(step.reviewed for step in steps),
        smoke=first is not None,
        detected_s=None if detected is None or first is None else max(0.0, (detected - first) * interval_s),
    )


def add_up(outcomes: Sequence[ReplayOutcome]) -> ReplayTotals:
    """One line of several recordings, each of a camera of its own."""
    times = [outcome.detected_s for outcome in outcomes if outcome.detected_s is not None]
    hours = sum(outcome.hours for outcome in outcomes)
    counts = [outcome.false_alarms for outcome in outcomes if outcome.false_alarms is not None]
    alarms = sum(outcome.alarms for outcome in outcomes)
    false = sum(counts) if len(counts) == len(outcomes) else None
    median_s = float(np.median(times)) if times else None
    return ReplayTotals(
        cameras=len(outcomes),
        frames=sum(outcome.frames for outcome in outcomes),
        hours=hours,
        fires=sum(outcome.smoke for outcome in outcomes),
        detected=len(times),
        median_detection_s=median_s,
        median_detection_minutes=None if median_s is None else median_s / 60,
        alarms=alarms,
        alarms_per_camera_day=_rate(alarms, hours / 24),
        false_alarms=false,
        false_alarms_per_hour=_rate(false, hours),
        false_alarms_per_camera_day=_rate(false, hours / 24),
        reviews=sum(outcome.reviews for outcome in outcomes),
    )


def compare(
    recordings: Sequence[Sequence[ReplayFrame | None]], interval_s: float, base: AlarmPolicy
) -> Mapping[str, ReplayTotals]:
    """Each policy on every recording."""
    return {
        name: add_up([replay(frames, interval_s, policy) for frames in recordings])
        for name, policy in policies(base).items()
    }


def _rate(count: int | None, time: float) -> float | None:
    return count / time if count is not None and time else None


def _newly(alarm: CameraAlarm, update: AlarmUpdate) -> bool:
    return alarm.state is AlarmState.REVIEW and update.before is not AlarmState.REVIEW


def _judged(alarm: CameraAlarm, window: Sequence[ReplayFrame], policy: AlarmPolicy) -> bool | None:
    """Whether smoke was found where it is; None where it was not, but nobody looked at a frame of the window."""
    if _is_right(alarm, window, policy):
        return True
    return None if any(frame.smoke is None for frame in window) else False


def _is_right(alarm: CameraAlarm, window: Sequence[ReplayFrame], policy: AlarmPolicy) -> bool:
    places = np.array(alarm.places, np.float64).reshape(-1, 4)
    for frame in window:
        found = np.array([region.box for region in frame.regions], np.float64).reshape(-1, 4)
        seen = np.array(frame.truth, np.float64).reshape(-1, 4)
        at_place = overlaps(found, places, policy).any(axis=1)
        anywhere = frame.smoke is True and not frame.truth
        if at_place.any() and (anywhere or overlaps(found[at_place], seen, AlarmPolicy()).any()):
            return True
    return False
