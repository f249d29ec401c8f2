"""Scores the deployed graph on a split, with the threshold fitted on groups held out: report.json, report.md, pictures, plots."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.geometry import RGB
from training.data.files import write_whole
from training.data.folders import Folders, evenly_spaced, expect_groups, frames_to_score
from training.data.frames import REAL_SMOKE, Frame, write_png
from training.evaluation import measurements, plots
from training.evaluation.measurements import reference
from training.evaluation.pictures import contact_sheet
from training.evaluation.predictor import Predictor
from training.evaluation.report import markdown
from training.evaluation.scores import FrameScore, choose_level, nearest_level, score_frames
from training.metrics import gate, segmentation
from training.metrics.bootstrap import by_group
from training.metrics.calibration import LogitHistogram
from training.metrics.failure_detection import report_doubt
from training.metrics.regions import RegionMatch
from training.metrics.reliability import SHOWN, calibration_table, form_of
from training.metrics.selective import COVERAGE, areas, risk_coverage

_PICTURES = 20
_CURVE_STEP = 10
_PANEL = {"easy": 0.95, "median": 0.5, "hard": 0.05}
"""Quantiles of F-beta over the frames with smoke."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was found.

    Attributes:
        report: As written to report.json.
        sheets: Contact sheets (height, width, 3) uint8 RGB by file name: every few frames, and the worst.
        panel: Frames and their maps for the decomposition panel, from easy to hard.
    """

    report: dict[str, Any]
    sheets: Mapping[str, RGB]
    panel: Sequence[plots.PanelRow]


def evaluate(predictor: Predictor, data: Folders, split: str, subset: Path | None = None) -> Evaluation:
    """Score a model on a split.

    Args:
        predictor: What is scored; a release is also scored at its own threshold.
        data: Data folder or folders.
        split: train, val or all.
        subset: A list of frames of the split; see `training.data.folders.choose`.

    Raises:
        DataError: The data folder or the list is not what it must be, or a threshold is to be fitted and there is smoke of fewer
            than two camera groups.
    """
    frames = frames_to_score(data, split, subset)
    if predictor.threshold is None:
        expect_groups(frames, split)
    scores = score_frames(predictor, frames)
    level = (
        choose_level(scores, predictor.false_alarms)
        if predictor.threshold is None
        else nearest_level(predictor.threshold)
    )
    report = {
        "model": predictor.description,
        "model_sha256": predictor.sha256,
        "split": split,
        "tiles": predictor.tiles,
        "close_ups": asdict(predictor.close_ups) if predictor.close_ups and not predictor.tiles else None,
        "folds": predictor.folds,
        "subset": {"file": subset.name, "frames": len(frames)} if subset else None,
        "minimum_region": predictor.minimum_region,
        "smoke_free_target": predictor.false_alarms,
        "threshold": level / segmentation.LEVELS,
        **_measure(scores, level, predictor),
    }
    return Evaluation(report, _sheets(scores, predictor, level), _panel(scores, predictor, level))


def write(evaluation: Evaluation, out: Path) -> None:
    """Write report.json, report.md, the contact sheets and the plots into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    report = evaluation.report
    write_whole(json.dumps(_without_nan(report), indent=2) + "\n", out / "report.json")
    write_whole(markdown(report).encode(errors="backslashreplace"), out / "report.md")
    plots.reliability_diagrams(plots.reliability_columns(report), out / "reliability.png")
    plots.plot_risk_coverage(report["selective"], out / "risk_coverage.png")
    if evaluation.panel:
        plots.decomposition_panel(evaluation.panel, out / "decomposition.png")
    for name, sheet in evaluation.sheets.items():
        write_png(sheet, out / name)


def _measure(scores: Sequence[FrameScore], level: int, predictor: Predictor) -> dict[str, Any]:
    table = calibration_table(_histograms(scores), predictor.calibration)
    at_threshold = measurements.with_intervals([(score, level) for score in scores])
    doubts = np.asarray(sum(score.doubts for score in scores))
    lower = nearest_level(level / segmentation.LEVELS / 2.0)
    regions = gate.GateRegions(_regions(scores, lower), _regions(scores, level))
    return {
        "at_threshold": at_threshold,
        "cross_fitted": _cross_fitted(scores, predictor),
        "f_beta_interval": at_threshold["intervals"]["f_beta"],
        "f_beta": measurements.f_betas(scores, level),
        "raw": measurements.raw_scores(scores),
        "pixels": measurements.epistemic_by_pixel(scores, level),
        "ece": table[SHOWN]["ece"],
        "ece_unsure": table[SHOWN]["ece_unsure"],
        "calibration_table": table,
        "calibrated_by": form_of(predictor.calibration),
        "selective": {
            **areas(doubts),
            "coverage": COVERAGE[_CURVE_STEP - 1 :: _CURVE_STEP].tolist(),
            "risk": {o: risk[_CURVE_STEP - 1 :: _CURVE_STEP].tolist() for o, risk in risk_coverage(doubts).items()},
        },
        "doubt": report_doubt(regions.released, regions.many) | {"threshold": level / segmentation.LEVELS},
        "doubt_at_lower_threshold": report_doubt(regions.many, regions.many)
        | {"threshold": lower / segmentation.LEVELS},
        "gate": gate.report_gate(regions) | {"lower_threshold": lower / segmentation.LEVELS},
        "reference": reference(scores),
        "novelty": measurements.novelty(scores),
        "operating_points": measurements.operating_points(scores),
        "by_size": measurements.by_size(scores, level),
        "by_group": measurements.by_camera_group(scores, level),
    }


def _cross_fitted(scores: Sequence[FrameScore], predictor: Predictor) -> dict[str, Any] | None:
    """What thresholds fitted on the other groups are worth; None where there are no two groups with smoke to fit on."""
    if len({score.frame.group for score in scores if score.frame.kind == REAL_SMOKE}) < 2:
        return None
    leveled = measurements.held_out(scores, predictor.false_alarms, predictor.calibration)
    return measurements.with_intervals(leveled)


def _histograms(scores: Sequence[FrameScore]) -> dict[str, LogitHistogram]:
    """Pixels by logit and truth, per camera group."""
    grouped = by_group((score.frame.group, score.logits) for score in scores)
    return {group: np.asarray(sum(histograms)) for group, histograms in grouped.items()}


def _regions(scores: Sequence[FrameScore], level: int) -> list[RegionMatch]:
    return [region for score in scores for region in score.regions.at(level)]


def _sheets(scores: Sequence[FrameScore], predictor: Predictor, level: int) -> dict[str, RGB]:
    chosen = {"contact_sheet.png": _every_few(scores), "worst.png": _worst(scores, level)}
    threshold = level / segmentation.LEVELS
    return {name: contact_sheet(predictor, frames, threshold) for name, frames in chosen.items()}


def _panel(scores: Sequence[FrameScore], predictor: Predictor, level: int) -> list[plots.PanelRow]:
    ranked = _worst_first(scores, level)
    if not ranked:
        return []
    chosen = {name: ranked[round(quantile * (len(ranked) - 1))].frame for name, quantile in _PANEL.items()}
    threshold = level / segmentation.LEVELS
    return [plots.panel_row(name, f, predictor, threshold) for name, f in chosen.items()]


def _worst(scores: Sequence[FrameScore], level: int) -> list[Frame]:
    """About twenty frames: with smoke those of the lowest F-beta, without those that raise a false alarm at the most levels."""
    smoke = _worst_first(scores, level)
    free = [score for score in scores if score.frame.kind != REAL_SMOKE]
    free.sort(key=lambda score: -sum(bool(found) for found in score.regions.matches))
    return [score.frame for score in (*smoke[: _PICTURES * 3 // 4], *free[: _PICTURES // 4])]


def _worst_first(scores: Sequence[FrameScore], level: int) -> list[FrameScore]:
    """Frames with smoke, by F-beta."""
    return sorted((s for s in scores if s.frame.kind == REAL_SMOKE), key=lambda score: float(score.f_beta[level]))


def _every_few(scores: Sequence[FrameScore]) -> list[Frame]:
    """About twenty frames spread over the split: three in four with smoke."""
    smoke = [score.frame for score in scores if score.frame.kind == REAL_SMOKE]
    free = [score.frame for score in scores if score.frame.kind != REAL_SMOKE]
    return evenly_spaced(smoke, _PICTURES * 3 // 4) + evenly_spaced(free, _PICTURES // 4)


def _without_nan(value: object) -> object:
    """What was not measured as null, since JSON knows no NaN."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
