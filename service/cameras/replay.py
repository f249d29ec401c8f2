"""What the alarm would have made of a recording: with the gate, without it, and as a plain count of frames with smoke.

An alarm is true if, in a frame of its window, smoke was found where people saw smoke, at the place of the alarm. The time to
detection is from the first frame with smoke on it by the labels to the first one under a true alarm.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from service.cameras.alarm import State, Watch
from service.cameras.evidence import Box, Policy, Sighting, overlaps

PLAIN: Final = "plain k of n"
GATE: Final = "gate"
NO_GATE: Final = "no gate"


@dataclass(frozen=True, slots=True)
class Shot:
    """A frame of a recording: what the model found, and what people saw (None: nobody looked), in fractions of the frame."""

    sightings: tuple[Sighting, ...]
    smoke: bool | None = None
    truth: tuple[Box, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
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
class Total:
    """Outcomes of several recordings in one line; false alarms per hour are None where nobody looked."""

    cameras: int
    frames: int
    hours: float
    fires: int
    detected: int
    median_detection_s: float | None
    alarms: int
    false_alarms: int | None
    false_alarms_per_hour: float | None
    reviews: int


def policies(base: Policy) -> dict[str, Policy]:
    """What is compared; the plain count knows neither places nor weights, hysteresis or cooldown."""
    plain = replace(base, doubted=1.0, sure=0.0, overlap=0.0, margin=1.0, hold=1.0, cooldown_s=0.0)
    return {GATE: base, NO_GATE: replace(base, doubted=1.0), PLAIN: plain}


def play(shots: Sequence[Shot], interval_s: float, policy: Policy) -> Outcome:
    """Show a recording to a fresh camera."""
    watch, alarms, false, reviews, detected_s = Watch(), 0, 0, 0, None
    first = next((number for number, shot in enumerate(shots) if shot.smoke), None)
    for number, shot in enumerate(shots):
        now_s = number * interval_s
        verdict = watch.observe(now_s, now_s, shot.sightings, policy)
        right = _is_right(watch, shots[max(0, number + 1 - policy.frames) : number + 1], policy)
        alarms += verdict.raised
        false += verdict.raised and not right
        reviews += watch.state is State.REVIEW and verdict.before is not State.REVIEW
        if detected_s is None and first is not None and watch.state is State.ALARM and right:
            detected_s = max(0.0, now_s - first * interval_s)
    looked = all(shot.smoke is not None for shot in shots)
    hours = len(shots) * interval_s / 3600
    return Outcome(len(shots), hours, alarms, false if looked else None, reviews, first is not None, detected_s)


def add_up(outcomes: Sequence[Outcome]) -> Total:
    """One line of several recordings, each of a camera of its own."""
    times = [outcome.detected_s for outcome in outcomes if outcome.detected_s is not None]
    hours = sum(outcome.hours for outcome in outcomes)
    counts = [outcome.false_alarms for outcome in outcomes if outcome.false_alarms is not None]
    false = sum(counts) if len(counts) == len(outcomes) else None
    return Total(
        cameras=len(outcomes),
        frames=sum(outcome.frames for outcome in outcomes),
        hours=hours,
        fires=sum(outcome.smoke for outcome in outcomes),
        detected=len(times),
        median_detection_s=float(np.median(times)) if times else None,
        alarms=sum(outcome.alarms for outcome in outcomes),
        false_alarms=false,
        false_alarms_per_hour=false / hours if false is not None and hours else None,
        reviews=sum(outcome.reviews for outcome in outcomes),
    )


def compare(recordings: Sequence[Sequence[Shot]], interval_s: float, base: Policy) -> Mapping[str, Total]:
    """Each policy on every recording."""
    return {
        name: add_up([play(shots, interval_s, policy) for shots in recordings])
        for name, policy in policies(base).items()
    }


def _is_right(watch: Watch, window: Sequence[Shot], policy: Policy) -> bool:
    places = np.array(watch.places, np.float64).reshape(-1, 4)
    for shot in window:
        found = np.array([sighting.box for sighting in shot.sightings], np.float64).reshape(-1, 4)
        seen = np.array(shot.truth, np.float64).reshape(-1, 4)
        at_place = overlaps(found, places, policy).any(axis=1)
        if overlaps(found[at_place], seen, Policy()).any():
            return True
    return False
