"""Fits temperature and shift of a checkpoint's probability on a split, and says how well such a fit does on cameras held out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from training.calibration import UNSURE, Calibration, Histogram, cross_fitted, fit, reliability
from training.data.smoke5k import SYNTHETIC, read_frames
from training.metrics import expected_calibration_error
from training.prediction import Deployed, calibrated
from training.scores import score_frames


def calibrate(deployed: Deployed, data: Path, split: str) -> tuple[Deployed, dict[str, Any]]:
    """The same model with a calibrated probability, and what the fit was worth.

    Args:
        deployed: A checkpoint; a release carries its calibration in its graph.
        data, split: The frames to fit on.

    Returns:
        The calibrated model, and: `temperature` and `shift` fitted on all frames; `ece_before`; `ece_held_out` and
        `ece_unsure_held_out`, where every camera group is calibrated by a fit on the others.
    """
    by_group = _histograms(deployed, data, split)
    everything = np.asarray(sum(by_group.values()))
    calibration = fit(everything)
    return deployed._replace(predict=calibrated(deployed.predict, calibration)), {
        **calibration._asdict(),
        "ece_before": expected_calibration_error(reliability(everything, Calibration())),
        "ece_held_out": expected_calibration_error(cross_fitted(by_group)),
        "ece_unsure_held_out": expected_calibration_error(cross_fitted(by_group, UNSURE)),
    }


def _histograms(deployed: Deployed, data: Path, split: str) -> Mapping[str, Histogram]:
    """Pixels by logit and truth, per camera group."""
    frames = [frame for frame in read_frames(data, split) if frame.kind != SYNTHETIC]  # type: ignore[arg-type]
    by_group: dict[str, Histogram] = {}
    for score in score_frames(deployed.predict, frames, deployed.size_px, deployed.minimum_region):
        by_group[score.frame.group] = by_group.get(score.frame.group, 0.0) + score.logits
    return by_group
