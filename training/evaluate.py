"""Scores the deployed graph on a split, with the threshold fitted on groups held out: report.json, report.md, pictures."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from models.frame import RGB
from training import metrics
from training.calibration import UNSURE, Calibration, reliability
from training.data.smoke5k import REAL_SMOKE, SYNTHETIC, DataError, Frame, read_frames
from training.doubt import report_doubt, score_regions
from training.pictures import contact_sheet
from training.plots import reliability_diagram
from training.prediction import Deployed
from training.report import markdown
from training.scores import FrameScore, Summary, choose_level, nearest_level, score_frames, summarise, summarise_each

_SIZES = (("under 0.1 %", 0.0, 0.001), ("0.1 % to 1 %", 0.001, 0.01), ("over 1 %", 0.01, 1.01))
_RESAMPLES = 1000
_PICTURES = 20


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was found.

    Attributes:
        report: As written to report.json.
        sheet: Contact sheet (height, width, 3) uint8 RGB of every few frames.
        reliability: Sums for a reliability diagram over all pixels, (3, 15).
    """

    report: dict[str, Any]
    sheet: RGB
    reliability: metrics.Curve


def evaluate(deployed: Deployed, data: Path, split: str) -> Evaluation:
    """Score a model on a split.

    Args:
        deployed: What is scored; a release is also scored at its own threshold.
        data: Data folder.
        split: train, val or all.

    Raises:
        DataError: The data folder is not what it must be, or has smoke of fewer than two camera groups.
    """
    frames = [frame for frame in read_frames(data, split) if frame.kind != SYNTHETIC]  # type: ignore[arg-type]
    _require_two_groups(frames, f"{data}: split {split!r}")
    scores = score_frames(deployed.predict, frames, deployed.size_px, deployed.minimum_region)
    false_alarms = deployed.false_alarms
    level = choose_level(scores, false_alarms) if deployed.threshold is None else nearest_level(deployed.threshold)
    threshold = level / metrics.LEVELS
    logits = np.asarray(sum(score.logits for score in scores))
    sums = reliability(logits, Calibration())
    report = {
        "model": deployed.description,
        "split": split,
        "smoke_free_target": false_alarms,
        "threshold": threshold,
        "at_threshold": summarise(scores, level)._asdict(),
        "cross_fitted": _cross_fitted(scores, false_alarms)._asdict(),
        "f_beta_interval": _interval(scores, level),
        "maximal_f_beta": float(_mean_f_beta(scores).max()),
        "ece": metrics.expected_calibration_error(sums),
        "ece_unsure": metrics.expected_calibration_error(reliability(logits, Calibration(), UNSURE)),
        "doubt": report_doubt(
            score_regions(deployed.predict, frames, deployed.size_px, threshold, deployed.minimum_region)
        ),
        "by_size": {name: summarise(_of_size(scores, *limits), level)._asdict() for name, *limits in _SIZES},
        "by_group": {group: summarise(_of_group(scores, group), level)._asdict() for group in _groups(scores)},
    }
    sheet = contact_sheet(deployed.predict, _every_few(scores), deployed.size_px, threshold)
    return Evaluation(report, sheet, sums)


def write(evaluation: Evaluation, out: Path) -> None:
    """Write report.json, report.md, contact_sheet.png and reliability.png into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.json").write_text(json.dumps(_without_nan(evaluation.report), indent=2) + "\n", encoding="utf-8")
    (out / "report.md").write_text(markdown(evaluation.report), encoding="utf-8")
    reliability_diagram(evaluation.reliability, out / "reliability.png")
    cv2.imwrite(str(out / "contact_sheet.png"), cv2.cvtColor(evaluation.sheet, cv2.COLOR_RGB2BGR))


def _require_two_groups(frames: Sequence[Frame], where: str) -> None:
    groups = {frame.group for frame in frames if frame.kind == REAL_SMOKE}
    if len(groups) < 2:
        raise DataError(
            f"{where} has smoke frames of {len(groups)} camera groups, expected at least 2, since the threshold for one is fitted "
            "on the others"
        )


def _without_nan(value: object) -> object:
    """What was not measured as null, since JSON knows no NaN."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _cross_fitted(scores: Sequence[FrameScore], false_alarms: float) -> Summary:
    """Every group is scored at the threshold fitted on the others, so that no frame is both fitted and scored on."""
    leveled = []
    for group in _groups(scores):
        others = [score for score in scores if score.frame.group != group]
        level = choose_level(others, false_alarms)
        leveled += [(score, level) for score in _of_group(scores, group)]
    return summarise_each(leveled)


def _interval(scores: Sequence[FrameScore], level: int) -> list[float]:
    """95 % interval of the mean F-beta, by resampling camera groups with replacement."""
    rng = np.random.default_rng(0)
    smoke = [score for score in scores if score.frame.kind == REAL_SMOKE]
    by_group = [np.array([score.f_beta[level] for score in _of_group(smoke, group)]) for group in _groups(smoke)]
    draws = rng.integers(0, len(by_group), (_RESAMPLES, len(by_group)))
    means = [np.concatenate([by_group[index] for index in draw]).mean() for draw in draws]
    low, high = np.quantile(means, [0.025, 0.975])
    return [float(low), float(high)]


def _mean_f_beta(scores: Sequence[FrameScore]) -> metrics.Curve:
    return np.asarray(np.mean([score.f_beta for score in scores if score.frame.kind == REAL_SMOKE], axis=0))


def _groups(scores: Sequence[FrameScore]) -> list[str]:
    return sorted({score.frame.group for score in scores})


def _of_group(scores: Sequence[FrameScore], group: str) -> list[FrameScore]:
    return [score for score in scores if score.frame.group == group]


def _of_size(scores: Sequence[FrameScore], low: float, high: float) -> list[FrameScore]:
    return [score for score in scores if score.frame.kind == REAL_SMOKE and low <= score.smoke_fraction < high]


def _every_few(scores: Sequence[FrameScore]) -> list[Frame]:
    """About twenty frames spread over the split: three in four with smoke."""
    smoke = [score.frame for score in scores if score.frame.kind == REAL_SMOKE]
    free = [score.frame for score in scores if score.frame.kind != REAL_SMOKE]
    return spread(smoke, _PICTURES * 3 // 4) + spread(free, _PICTURES // 4)


def spread(frames: Sequence[Frame], count: int) -> list[Frame]:
    """At most `count` frames, evenly over the sequence."""
    positions = np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int)
    return [frames[position] for position in positions]
