"""Alarms that people judged, held against thresholds: which would have stayed, and how many camera-days had a false one at most.

A camera-day is one camera on one day. The bound is that of Learn-then-Test with cameras as groups: over cameras like these, watched as
these were, with every alarm judged.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from training.metrics.conformal import rate_curve

_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class JudgedAlarm:
    """An alarm that somebody judged.

    Attributes:
        camera, day: Whose, and of which date.
        true: Whether there was smoke.
        threshold: In force when it was raised.
        silent_above: At a higher threshold it would not have been raised.
    """

    camera: str
    day: date
    true: bool
    threshold: float
    silent_above: float

    def stays(self, threshold: float) -> bool:
        """Whether it would have been raised at a threshold too."""
        return self.silent_above >= threshold - _ROUNDING


@dataclass(frozen=True, slots=True)
class ThresholdOutcome:
    """What a threshold would have made of the alarms.

    Attributes:
        threshold: The probability from which on a pixel counts.
        false_alarms, true_alarms: Those that stay.
        false_per_camera_day: False ones that stay, over the camera-days.
        share: Of camera-days, those with a false one, each camera counting once.
        upper_bound: The expected share is at most this.
    """

    threshold: float
    false_alarms: int
    true_alarms: int
    false_per_camera_day: float
    share: float
    upper_bound: float


def threshold_outcomes(
    alarms: Sequence[JudgedAlarm], thresholds: Sequence[float], cameras: Sequence[str], days: int
) -> list[ThresholdOutcome]:
    """One outcome a threshold, from the lowest up.

    Args:
        alarms: Of some of the cameras; none on more days than `days`.
        thresholds: None below one that was in force, as nobody knows what it would have raised; not chosen by these alarms.
        cameras: All that were watched.
        days: For which each was watched.
    """
    curve = rate_curve({threshold: _camera_days(alarms, threshold, cameras, days) for threshold in thresholds})
    outcomes = []
    for point in curve:
        staying = Counter(alarm.true for alarm in alarms if alarm.stays(point.threshold))
        per_day = staying[False] / (len(cameras) * days)
        outcomes.append(
            ThresholdOutcome(point.threshold, staying[False], staying[True], per_day, point.rate, point.upper_bound)
        )
    return outcomes


def _camera_days(
    alarms: Sequence[JudgedAlarm], threshold: float, cameras: Sequence[str], days: int
) -> list[tuple[str, float]]:
    """For each camera the share of its days with a false alarm: a value a day would fill any memory."""
    alarmed = defaultdict(set)
    for alarm in alarms:
        if not alarm.true and alarm.stays(threshold):
            alarmed[alarm.camera].add(alarm.day)
    return [(camera, len(alarmed[camera]) / days) for camera in cameras]
