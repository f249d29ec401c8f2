"""Fits temperature and shift of a checkpoint's probability on a split, and says how well such a fit does on cameras held out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from models.frame import fit as fit_frame
from models.frame import unfit
from training.calibration import UNSURE, Calibration, Histogram, cross_fitted, fit, logit_histogram, reliability
from training.data.smoke5k import SYNTHETIC, load_image, load_mask, read_frames
from training.metrics import expected_calibration_error
from training.prediction import Deployed, calibrated


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
    by_group: dict[str, Histogram] = {}
    for frame in read_frames(data, split):  # type: ignore[arg-type]
        if frame.kind != SYNTHETIC:
            image = load_image(frame.image)
            mask = load_mask(frame, image.shape) > 0.5
            square = deployed.predict(fit_frame(image, deployed.size_px)).probability
            own = logit_histogram(unfit(square, mask.shape[1], mask.shape[0]), mask)
            by_group[frame.group] = by_group.get(frame.group, 0.0) + own
    return by_group
