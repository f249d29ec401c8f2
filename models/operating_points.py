"""Operating points: how many smoke-free frames raise an alarm at each threshold, how many that may be at most, and what smoke is found.

Training measures them on camera groups and writes them into the manifest; the service takes the threshold of a rate from them.
The bound is over frames like those they were measured on, and no promise for a single camera. Free of torch.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Self


class OperatingPointError(ValueError):
    """Operating points that cannot be, or a rate that they do not certify; the message says what was found and what was expected."""


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """What one threshold does.

    Attributes:
        threshold: Probability from which on a pixel counts as smoke, in (0, 1).
        false_alarm_rate: Share of smoke-free frames with an alarm, each camera group counting once.
        upper_bound: The expected rate is at most this, at the confidence.
        detection_rate: Share of frames with smoke on which it is found.
    """

    threshold: float
    false_alarm_rate: float
    upper_bound: float
    detection_rate: float

    def __post_init__(self) -> None:
        for entry in fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
                raise OperatingPointError(f"found {entry.name} {value!r}, expected a number from 0 to 1")


@dataclass(frozen=True, slots=True)
class OperatingPoints:
    """All thresholds, from the lowest up.

    Attributes:
        confidence: Of the bounds, as 0.95.
        frames, groups: How many smoke-free frames they were measured on, of how many camera groups.
        points: At least one; bounds do not rise with the threshold.
    """

    confidence: float
    frames: int
    groups: int
    points: Sequence[OperatingPoint]

    def __post_init__(self) -> None:
        if not self.points:
            raise OperatingPointError("found no operating points, expected at least one")

    @property
    def least_rate(self) -> float:
        """The lowest rate that any threshold certifies."""
        return min(point.upper_bound for point in self.points)

    def at_rate(self, rate: float) -> OperatingPoint:
        """The point with the lowest threshold whose bound is at most a rate.

        Raises:
            OperatingPointError: No threshold certifies the rate; the message names the least that can be had.
        """
        certified = [point for point in self.points if point.upper_bound <= rate]
        if not certified:
            least = math.ceil(self.least_rate * 1e4) / 1e4  # Rounded up, so that it is taken.
            raise OperatingPointError(
                f"found a false-alarm rate of {rate:g}, expected at least {least:g}: {self.groups} camera groups of "
                f"smoke-free frames certify no less at {self.confidence:.0%} confidence"
            )
        return min(certified, key=lambda point: point.threshold)

    @classmethod
    def from_json(cls, raw: object) -> Self:
        """Build them from decoded JSON. Raises OperatingPointError on a missing, unknown or impossible value."""
        if not isinstance(raw, Mapping):
            raise OperatingPointError(f"found operating points {str(raw)[:80]!r}, expected an object")
        try:
            points = tuple(OperatingPoint(**point) for point in raw["points"])
            return cls(**{**raw, "points": points})
        except (KeyError, TypeError) as error:
            known = ", ".join(entry.name for entry in fields(cls))
            raise OperatingPointError(f"{error}; expected operating points with the keys {known}") from error
