"""The probability from which on a pixel is smoke: a request's own, that of a false-alarm rate, or the release's.

A rate is certified by the release's operating points. The bound is over frames like those they were measured on; nothing is promised
for a single camera.
"""

from contextlib import suppress
from dataclasses import dataclass

from models.manifest import Manifest
from models.operating_points import OperatingPointError


@dataclass(frozen=True, slots=True)
class Threshold:
    """A threshold, and the false-alarm rate that it was chosen by.

    Attributes:
        value: Probability from which on a pixel is smoke.
        false_alarm_rate: Wanted share of smoke-free frames with an alarm; None where no rate chose the threshold.
        upper_bound: The release's expected rate at this threshold is at most this, at the confidence.
        confidence: As 0.95.
    """

    value: float
    false_alarm_rate: float | None = None
    upper_bound: float | None = None
    confidence: float | None = None


def certified(manifest: Manifest, rate: float) -> Threshold:
    """The lowest threshold that a release certifies for a rate.

    Raises:
        OperatingPointError: It certifies none; the message names the least rate.
    """
    points = manifest.operating_points
    if points is None:
        raise OperatingPointError(
            f"found a false-alarm rate of {rate:g} and release {manifest.name}-{manifest.version}, which certifies none; "
            "expected a release with operating points"
        )
    point = points.at_rate(rate)
    return Threshold(point.threshold, rate, point.upper_bound, points.confidence)


def threshold_in_force(manifest: Manifest, threshold: float | None, rate: float | None) -> Threshold:
    """What holds for a frame: the threshold that was asked for, else that of the rate, else the release's.

    A rate is held against the release before it comes into force. Only a frame that was on its way as model or rate changed can meet a
    release that does not certify its rate: it is answered at the release's threshold, and the reply names no rate.
    """
    if threshold is not None:
        return Threshold(threshold)
    if rate is not None:
        with suppress(OperatingPointError):
            return certified(manifest, rate)
    return Threshold(manifest.threshold)
