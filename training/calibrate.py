"""Fits temperature and shift of a checkpoint's probability on a split."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from models.frame import fit as fit_frame
from models.frame import unfit
from training.calibration import Histogram, fit, logit_histogram
from training.data.smoke5k import Frame, load_image, load_mask
from training.prediction import Deployed, calibrated


def calibrate(deployed: Deployed, frames: Sequence[Frame]) -> tuple[Deployed, dict[str, Any]]:
    """The same model with a calibrated probability, and `temperature` and `shift`, fitted on all of the frames.

    What such a fit is worth on cameras held out is for `evaluate` to say.

    Args:
        deployed: A checkpoint; a release carries its calibration in its graph.
        frames: To fit on.
    """
    calibration = fit(np.asarray(sum(_histogram(deployed, frame) for frame in frames)))
    predict = calibrated(deployed.predict, calibration)
    return deployed._replace(predict=predict, calibration=calibration), dict(calibration._asdict())


def _histogram(deployed: Deployed, frame: Frame) -> Histogram:
    """Pixels of a frame, at its own resolution, by logit and truth."""
    image = load_image(frame.image)
    mask = load_mask(frame, image.shape) > 0.5
    probability = deployed.predict(fit_frame(image, deployed.size_px)).probability
    return logit_histogram(unfit(probability, mask.shape[1], mask.shape[0]), mask)
