"""Whether one model is better than another on the same frames: differences with intervals, and what follows from them in words."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from training.data.frames import Frame
from training.evaluation.measurements import held_out
from training.evaluation.predictor import Predictor
from training.evaluation.scores import score_frames, values_by_group
from training.metrics.bootstrap import by_group, mean_interval

Verdict = Literal["better", "not shown", "worse"]
BETTER: Mapping[str, int] = {
    "f_beta": 1,
    "detection_rate": 1,
    "region_recall": 1,
    "false_alarm_rate": -1,
    "mean_squared_error": -1,
}
"""What is compared, and whether more (1) or less (-1) of it is better."""

Values = Mapping[str, Sequence[tuple[str, float]]]
"""By name, a value per frame with its camera group; frames in the same order for both models."""


def measure_frames(predictor: Predictor, frames: Sequence[Frame]) -> dict[str, list[tuple[str, float]]]:
    """The values of `BETTER`, a frame each, with thresholds fitted on the other camera groups. Needs smoke of two groups."""
    scores = score_frames(predictor, frames)
    leveled = held_out(scores, predictor.false_alarms, predictor.calibration)
    return {name: values for name, values in values_by_group(leveled).items() if name in BETTER}


def paired(before: Values, after: Values) -> dict[str, dict[str, Any]]:
    """By name: the mean `before`, `after`, their `difference` and its 95 % `interval`, camera groups resampled; frame by frame."""
    found = {}
    for name in BETTER:
        pairs = [(group, new - old) for (group, old), (_, new) in zip(before[name], after[name], strict=True)]
        if not pairs:
            continue
        found[name] = {
            "before": _mean(before[name]),
            "after": _mean(after[name]),
            "difference": _mean(pairs),
            "interval": mean_interval(by_group(pairs)),
        }
    return found


def verdict(found: Mapping[str, Mapping[str, Any]]) -> tuple[Verdict, list[str]]:
    """What the differences of `paired` amount to, and the numbers that say so.

    `worse` where F-beta falls, however little: there is no reason to change then; or where any number worsens beyond its interval.
    `better` where F-beta rises beyond its interval and nothing is worse. Else it is not shown.
    """
    worse = [name for name, sign in BETTER.items() if name in found and _best_case(found[name], sign) < 0]
    if "f_beta" not in worse and found["f_beta"]["difference"] < 0:
        worse.insert(0, "f_beta")
    if worse:
        return "worse", worse
    return ("better", ["f_beta"]) if found["f_beta"]["interval"][0] > 0 else ("not shown", [])


def _best_case(of: Mapping[str, Any], sign: int) -> float:
    """The end of the interval that speaks for the new model, above 0 where it might be better."""
    return float(max(sign * end for end in of["interval"]))


def _mean(values: Sequence[tuple[str, float]]) -> float:
    return sum(value for _, value in values) / len(values)
