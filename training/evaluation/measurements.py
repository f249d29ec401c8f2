"""The numbers of a report: what scores of frames come to, with intervals over camera groups."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from models.drift import DRIFTING, Histogram
from models.operating_points import OperatingPoint, OperatingPoints
from training.data.frames import REAL_SMOKE, SMOKE_FREE
from training.evaluation.scores import (
    FrameScore,
    LeveledScores,
    RawScore,
    choose_level,
    summarise,
    summarise_each,
    values_by_group,
)
from training.metrics import segmentation
from training.metrics.bootstrap import by_group, interval, mean_interval
from training.metrics.calibration import LOGITS, Calibration, brier, fit_calibration
from training.metrics.conformal import CONFIDENCE, rate_curve
from training.metrics.pixel_doubt import EpistemicCounts, false_positive_epistemic
from training.metrics.regions import REGION_LEVELS

SIZES = (("under 0.1 %", 0.0, 0.001), ("0.1 % to 1 %", 0.001, 0.01), ("over 1 %", 0.01, 1.01))
"""Share of the frame that is smoke: name, from, to."""
_UNFAMILIAR = 0.05
"""Share of the frames of cameras that a model has not seen that it may call unfamiliar."""
_BINS = 10


def with_intervals(leveled: LeveledScores) -> dict[str, Any]:
    """A Summary, and under `intervals` 95 % of each of its means, camera groups resampled."""
    intervals = {name: mean_interval(by_group(values)) for name, values in values_by_group(leveled).items()}
    return summarise_each(leveled)._asdict() | {"intervals": intervals}


def held_out(scores: Sequence[FrameScore], false_alarms: float, calibration: Calibration | None) -> LeveledScores:
    """Every frame with the level fitted on the other groups, so that none is both fitted and scored on.

    Args:
        scores: Of frames with smoke of two groups at least.
        false_alarms: Rate that the fitted level keeps where it can.
        calibration: Of the probability, where it is known: its squared error, too, is then that of a fit on the other groups.
    """
    leveled: list[tuple[FrameScore, int]] = []
    for group, own in _grouped(scores).items():
        others = [score for score in scores if score.frame.group != group]
        level = choose_level(others, false_alarms)
        recalibrated = _recalibrated(own, others, calibration) if calibration else own
        leveled += [(score, level) for score in recalibrated]
    return leveled


def f_betas(scores: Sequence[FrameScore], level: int) -> dict[str, Any]:
    """The four readings of F-beta, beta^2 = 0.3, since the paper says neither beta nor threshold; each a mean over smoke frames.

    Returns:
        `mean` over the 256 thresholds, `adaptive` at twice each map's mean, `maximal` of the curve of means, and `at_threshold`; under
        `intervals` those of camera groups resampled (`maximal` at the threshold that is best for all frames); `best_threshold`.
    """
    smoke = [score for score in scores if score.frame.kind == REAL_SMOKE]
    if not smoke:
        return {}
    best = int(np.mean([score.f_beta for score in smoke], axis=0).argmax())
    readings = {
        "mean": [float(score.f_beta.mean()) for score in smoke],
        "adaptive": [score.adaptive_f_beta for score in smoke],
        "maximal": [float(score.f_beta[best]) for score in smoke],
        "at_threshold": [float(score.f_beta[level]) for score in smoke],
    }
    named = [score.frame.group for score in smoke]
    return {
        **{name: float(np.mean(values)) for name, values in readings.items()},
        "best_threshold": best / segmentation.LEVELS,
        "intervals": {
            name: mean_interval(by_group(zip(named, values, strict=True))) for name, values in readings.items()
        },
    }


def raw_scores(scores: Sequence[FrameScore]) -> dict[str, Any] | None:
    """Means over smoke frames of what the paper scores, before calibration, with intervals; None where that is not known."""
    smoke = [(score.frame.group, score.raw) for score in scores if score.frame.kind == REAL_SMOKE and score.raw]
    if not smoke:
        return None
    values = {name: [(group, float(getattr(raw, name))) for group, raw in smoke] for name in RawScore._fields}
    return {name: float(np.mean([value for _, value in own])) for name, own in values.items()} | {
        "intervals": {name: mean_interval(by_group(own)) for name, own in values.items()}
    }


def epistemic_by_pixel(scores: Sequence[FrameScore], level: int) -> dict[str, Any]:
    """The paper's claim by pixel at a threshold, see `pixel_doubt`, with the interval of the AUROC."""

    def auroc(counts: list[EpistemicCounts]) -> float:
        return float(false_positive_epistemic(np.sum(counts, axis=0), level)["auroc"])

    summed = {group: [np.asarray(sum(score.epistemic for score in own))] for group, own in _grouped(scores).items()}
    everything = np.sum([own[0] for own in summed.values()], axis=0)
    return false_positive_epistemic(everything, level) | {"auroc_interval": interval(summed, auroc)}


def by_size(scores: Sequence[FrameScore], level: int) -> dict[str, Any]:
    """Summaries of the frames whose smoke has a size, with intervals; `own_region_recall` is of the regions of that size."""
    return {
        name: with_intervals([(score, level) for score in _of_size(scores, low, high)])
        | {"threshold": level / segmentation.LEVELS, "own_region_recall": _own_region_recall(scores, level, low, high)}
        for name, low, high in SIZES
    }


def operating_points(scores: Sequence[FrameScore]) -> dict[str, Any] | None:
    """What every threshold does to smoke-free frames and to smoke, as `models.operating_points` takes it; None without both."""
    free = [score for score in scores if score.frame.kind in SMOKE_FREE]
    if not free or len(free) == len(scores):
        return None
    levels = {int(level) / segmentation.LEVELS: int(level) for level in REGION_LEVELS}
    curve = rate_curve({t: [(s.frame.group, s.alarms(level)) for s in free] for t, level in levels.items()})
    points = [
        OperatingPoint(p.threshold, p.rate, p.upper_bound, summarise(scores, levels[p.threshold]).detection_rate)
        for p in curve
    ]
    return asdict(OperatingPoints(CONFIDENCE, len(free), len({score.frame.group for score in free}), points))


def by_camera_group(scores: Sequence[FrameScore], level: int) -> dict[str, Any]:
    """Summaries of each group."""
    return {group: summarise(own, level)._asdict() for group, own in _grouped(scores).items()}


def reference(scores: Sequence[FrameScore]) -> dict[str, dict[str, Any]]:
    """What frames looked like to a model, so that the service can tell that a camera's frames have drifted since its release.

    Per quantity of DRIFTING a histogram over the frames, in bins that hold a tenth of them each where the values allow.
    """
    told = [name for name in DRIFTING if all(name in score.looks for score in scores)]
    return {name: asdict(_histogram([score.looks[name] for score in scores])) for name in told}


def novelty(scores: Sequence[FrameScore]) -> dict[str, float] | None:
    """How novel frames are to a model that has not seen their cameras, each camera group counting once; None where it does not tell it.

    Returns:
        `median`, and `limit`, above which at most `share` of the frames are: there the service calls a frame unfamiliar.
    """
    if not all("novelty" in score.looks for score in scores):
        return None
    grouped = _grouped(scores).values()
    values = np.array([score.looks["novelty"] for group in grouped for score in group])
    weights = np.array([1.0 / len(group) for group in grouped for _ in group])
    order = np.argsort(values)
    reached = 1.0 - np.cumsum(weights[order]) / weights.sum()
    median, limit = (float(values[order][int(np.argmax(reached <= share + 1e-12))]) for share in (0.5, _UNFAMILIAR))
    return {"median": median, "limit": limit, "share": _UNFAMILIAR}


def _grouped(scores: Sequence[FrameScore]) -> dict[str, list[FrameScore]]:
    return by_group((score.frame.group, score) for score in scores)


def _own_region_recall(scores: Sequence[FrameScore], level: int, low: float, high: float) -> dict[str, int]:
    found = [
        bool(recalled)
        for score in scores
        for fraction, recalled in zip(score.regions.truth_fractions, score.regions.recalled(level), strict=True)
        if low <= fraction < high
    ]
    return {"found": sum(found), "of": len(found)}


def _of_size(scores: Sequence[FrameScore], low: float, high: float) -> list[FrameScore]:
    return [score for score in scores if score.frame.kind == REAL_SMOKE and low <= score.smoke_fraction < high]


def _recalibrated(
    scores: Sequence[FrameScore], others: Sequence[FrameScore], calibration: Calibration
) -> list[FrameScore]:
    raw = calibration.raw(LOGITS)
    logits = fit_calibration(np.asarray(sum(score.logits for score in others)), raw).calibrated(raw)
    return [replace(score, squared_error=brier(score.logits, logits)) for score in scores]


def _histogram(values: Sequence[float]) -> Histogram:
    edges = np.unique(np.quantile(values, np.linspace(0.0, 1.0, _BINS + 1)))
    if len(edges) < 3:
        edges = np.array([edges[0] - 1e-6, edges[0], edges[-1] + 1e-6])
    return Histogram.of(values, edges.tolist())
