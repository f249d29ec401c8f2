"""What a report of `evaluate` lets a release promise, read from it once and before minutes of proofs."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from models.close_ups import CloseUps
from models.drift import Histogram
from models.gate import Gate
from models.manifest import MINIMUM_REGION
from models.operating_points import OperatingPoints
from training.metrics.calibration import Calibration

_NUMBERS = ("at_threshold", "cross_fitted", "f_beta", "ece", "ece_unsure", "calibration", "doubt")


class Promises(NamedTuple):
    """What was measured and fitted; of an empty report, what holds without.

    Attributes:
        calibration: Of the probabilities.
        minimum_region: Smallest region that counted, as a fraction of the frame.
        numbers: What was measured, as reported.
        gate: None where none is worth having.
        operating_points: What was measured of every threshold; None where there were no smoke-free frames.
        reference: How the frames were distributed, by quantity.
        novelty_limit: Above which novelty a frame is unfamiliar; None where the model tells none.
        close_ups: Those that were looked at.
    """

    calibration: Calibration
    minimum_region: float
    numbers: dict[str, Any]
    gate: Gate | None
    operating_points: OperatingPoints | None
    reference: dict[str, Histogram] | None
    novelty_limit: float | None
    close_ups: CloseUps | None


def promises_of(report: Mapping[str, Any]) -> Promises:
    """Read a report, which may be empty.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: `evaluate` wrote none like it.
    """
    gate, points = report.get("gate", {}).get("gate"), report.get("operating_points")
    novelty, close_ups = report.get("novelty"), report.get("close_ups")
    return Promises(
        calibration=_calibration(report.get("calibration", {})),
        minimum_region=float(report.get("minimum_region", MINIMUM_REGION)),
        numbers={key: report[key] for key in _NUMBERS if key in report},
        gate=Gate.from_json(gate) if gate else None,
        operating_points=OperatingPoints.from_json(points) if points else None,
        reference={name: Histogram.from_json(found) for name, found in report.get("reference", {}).items()} or None,
        novelty_limit=float(novelty["limit"]) if novelty else None,
        close_ups=CloseUps.from_json(close_ups) if close_ups else None,
    )


def _calibration(found: Mapping[str, Any]) -> Calibration:
    fitted = Calibration(**found)
    if not (0.0 < fitted.temperature < math.inf and 0.0 < fitted.above < math.inf and math.isfinite(fitted.shift)):
        raise ValueError(f"found {fitted}, expected temperatures above 0 and a finite shift")
    return fitted
