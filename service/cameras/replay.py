"""What the alarm would have made of a recording: with the gate, without it, and as a plain count of frames with smoke.

An alarm is true if, in a frame of its window, smoke was found where people saw smoke, at the place of the alarm. The time to
detection is from the first frame with smoke on it by the labels to the first one under a true alarm.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from service.cameras.alarm import AlarmState, CameraAlarm
from service.cameras.evidence import AlarmPolicy, RegionObservation, RelativeBox, overlaps

PLAIN: Final = "plain k of n"
GATE: Final = "gate"
NO_GATE: Final = "no gate"


@dataclass(frozen=True, slots=True)
class ReplayFrame:
    """A frame of a recording: what the model found, and what people saw (None: nobody looked), in fractions of the frame."""

    regions: tuple[RegionObservation, ...]
    smoke: bool | None = None
    truth: tuple[RelativeBox, ...] = ()


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
    ungated = base.model_copy(update={"doubted": 1.0})
    blind = {"sure": 0.0, "overlap": 0.0, "margin": 1.0, "hold": 1.0, "cooldown_s": 0.0}
    return {GATE: base, NO_GATE: ungated, PLAIN: ungated.model_copy(update=blind)}


def replay(frames: Sequence[ReplayFrame], interval_s: float, policy: AlarmPolicy) -> ReplayOutcome:
    """Show a recording to a fresh camera."""
    alarm, alarms, false, reviews, detected_s = CameraAlarm(), 0, 0, 0, None
    first = next((number for number, frame in enumerate(frames) if frame.smoke), None)
    for number, frame in enumerate(frames):
        now_s = number * interval_s
        update = alarm.observe(now_s, now_s, frame.regions, policy)
        right = _is_right(alarm, frames[max(0, number + 1 - policy.frames) : number + 1], policy)
        alarms += update.raised
        false += update.raised and not right
        reviews += alarm.state is AlarmState.REVIEW and update.before is not AlarmState.REVIEW
        if detected_s is None and first is not None and alarm.state is AlarmState.ALARM and right:
            detected_s = max(0.0, now_s - first * interval_s)
    looked = all(frame.smoke is not None for frame in frames)
    hours = len(frames) * interval_s / 3600
    return ReplayOutcome(len(frames), hours, alarms, false if looked else None, reviews, first is not None, detected_s)


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
    recordings: Sequence[Sequence[ReplayFrame]], interval_s: float, base: AlarmPolicy
) -> Mapping[str, ReplayTotals]:
    """Each policy on every recording."""
    return {
        name: add_up([replay(frames, interval_s, policy) for frames in recordings])
        for name, policy in policies(base).items()
    }


def _rate(count: int | None, time: float) -> float | None:
    return count / time if count is not None and time else None


def _is_right(alarm: CameraAlarm, window: Sequence[ReplayFrame], policy: AlarmPolicy) -> bool:
    places = np.array(alarm.places, np.float64).reshape(-1, 4)
    for frame in window:
        found = np.array([region.box for region in frame.regions], np.float64).reshape(-1, 4)
        seen = np.array(frame.truth, np.float64).reshape(-1, 4)
        at_place = overlaps(found, places, policy).any(axis=1)
        if overlaps(found[at_place], seen, AlarmPolicy()).any():
            return True
    return False
