"""Fits the calibration of a checkpoint's probability: a temperature, or three parameters where they do better on cameras held out."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from models.geometry import unfit
from training.data.frames import Frame, load_image, load_mask
from training.evaluation.predictor import Predictor, calibrated, predict_frame
from training.metrics.bootstrap import by_group
from training.metrics.calibration import Calibration, LogitHistogram, fit_calibration, fit_temperature, logit_histogram
from training.metrics.reliability import ALL, best_form, calibration_table


def calibrate(predictor: Predictor, frames: Sequence[Frame]) -> tuple[Predictor, dict[str, Any]]:
    """The same model with a calibrated probability, and the parameters of `Calibration`, fitted on all of the frames.

    It is a temperature alone unless all three do better on camera groups held out: a few frames full of smoke can pull a shift far
    off. What the fit is worth on cameras held out is for `evaluate` to say.

    Close-ups are chosen by the probability: here by the uncalibrated one, afterwards by the one that is shown.

    Args:
        predictor: A checkpoint; a release carries its calibration in its graph.
        frames: To fit on.
    """
    histograms = by_group((frame.group, _histogram(predictor, frame)) for frame in frames)
    groups = {group: np.asarray(sum(own)) for group, own in histograms.items()}
    everything = np.asarray(sum(groups.values()))
    fit_form = fit_calibration if best_form(calibration_table(groups, Calibration())) == ALL else fit_temperature
    calibration = fit_form(everything)
    predict = calibrated(predictor.predict, calibration)
    return predictor._replace(predict=predict, calibration=calibration), dict(calibration._asdict())


def _histogram(predictor: Predictor, frame: Frame) -> LogitHistogram:
    """Pixels of a frame, at its own resolution, by logit and truth."""
    image = load_image(frame.image)
    mask = load_mask(frame, image.shape) > 0.5
    probability = predict_frame(predictor, image).probability
    return logit_histogram(unfit(probability, mask.shape[1], mask.shape[0]), mask)
