"""How far probabilities mean what they say: raw and calibrated, each frame calibrated by a fit on the other camera groups."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from training.metrics import segmentation
from training.metrics.bootstrap import interval
from training.metrics.calibration import (
    LOGITS,
    UNSURE,
    Calibration,
    LogitHistogram,
    brier,
    fit_calibration,
    fit_temperature,
    negative_log_likelihood,
    reliability,
)

RAW, TEMPERATURE, ALL, SHOWN = "raw", "temperature", "two temperatures and shift", "as shown"

_Logits = npt.NDArray[np.float64]


def best_form(table: Mapping[str, Mapping[str, Any]]) -> str:
    """The way of calibrating with the smallest error of unsure pixels on groups held out.

    They are those that a threshold is chosen among; the likelihoods of all pixels of two monotone calibrations hardly differ.
    """
    return min((TEMPERATURE, ALL), key=lambda name: float(table[name]["ece_unsure"]))


def form_of(calibration: Calibration | None) -> str:
    """The way in which a model is calibrated; `as shown` where that is not known, or is another of the table's."""
    if calibration is None or (calibration.shift and calibration.above == 1.0):
        return SHOWN
    return TEMPERATURE if calibration.above == 1.0 else ALL


def calibration_table(by_group: Mapping[str, LogitHistogram], shown: Calibration | None) -> dict[str, dict[str, Any]]:
    """ECE, Brier score and negative log likelihood of the probability, by how it is calibrated.

    Args:
        by_group: Pixels of each camera group by shown logit and truth.
        shown: What the shown probability is calibrated by; None where that is not known, and so is what it was before.

    Returns:
        Rows `as shown`; and where it is known, `raw`, `temperature` (alone) and `two temperatures and shift`, the last two fitted for
        each group on the others. Each: `ece` over all pixels and `ece_unsure` over those with a probability in [.05, .95], with group-
        bootstrap intervals; `brier`; `nll` in nats; `reliability` and `reliability_unsure`, the sums for a diagram (3, 15).
    """
    everything = np.asarray(sum(by_group.values()))
    table = {SHOWN: _row(by_group, lambda _: LOGITS)}
    if shown is None:
        return table
    raw = shown.raw(LOGITS)
    return table | {
        RAW: _row(by_group, lambda _: raw),
        TEMPERATURE: _row(by_group, lambda own: fit_temperature(everything - own, raw).calibrated(raw)),
        ALL: _row(by_group, lambda own: fit_calibration(everything - own, raw).calibrated(raw)),
    }


def _row(by_group: Mapping[str, LogitHistogram], choose: Callable[[LogitHistogram], _Logits]) -> dict[str, Any]:
    """One row, where the logits (1025,) that a group's bins are given may depend on the other groups."""
    chosen = {group: choose(own) for group, own in by_group.items()}
    pixels = {group: float(own.sum()) for group, own in by_group.items()}
    everywhere = {group: [reliability(own, chosen[group])] for group, own in by_group.items()}
    unsure = {group: [reliability(own, chosen[group], UNSURE)] for group, own in by_group.items()}

    def mean(measure: Callable[[LogitHistogram, _Logits], float]) -> float:
        return sum(measure(own, chosen[g]) * pixels[g] for g, own in by_group.items()) / max(sum(pixels.values()), 1.0)

    return {
        "ece": _error([sums for group in everywhere.values() for sums in group]),
        "ece_interval": interval(everywhere, _error),
        "ece_unsure": _error([sums for group in unsure.values() for sums in group]),
        "ece_unsure_interval": interval(unsure, _error),
        "brier": mean(brier),
        "nll": mean(negative_log_likelihood),
        "reliability": _listed(everywhere),
        "reliability_unsure": _listed(unsure),
    }


def _error(sums: list[segmentation.Curve]) -> float:
    return segmentation.expected_calibration_error(np.sum(sums, axis=0))


def _listed(by_group: Mapping[str, list[segmentation.Curve]]) -> list[list[float]]:
    total: list[list[float]] = np.sum([sums for group in by_group.values() for sums in group], axis=0).tolist()
    return total
