"""A checkpoint's probability calibrated on frames: honest afterwards, in the same order, and the doubt untouched."""

from pathlib import Path

import numpy as np
import pytest

from tests.training.evaluation.red_smoke import SIDE, predictor, read_red, write_frame
from training.data.frames import Frame
from training.evaluation.calibrate import calibrate
from training.evaluation.scores import score_frames
from training.metrics.calibration import Calibration
from training.metrics.reliability import ALL, RAW, SHOWN, calibration_table


@pytest.fixture
def overconfident(tmp_path: Path) -> list[Frame]:
    """Three cameras whose smoke reads 0.8 on a background of 0.5: three pixels in four are half believed and none is smoke."""
    return [write_frame(tmp_path, group, group, smoke=204, background=128) for group in "abc"]


def test_the_fit_makes_the_probability_honest_also_on_cameras_held_out(overconfident):
    model, found = calibrate(predictor(read_red), overconfident)
    scores = score_frames(model, overconfident)
    table = calibration_table({score.frame.group: score.logits for score in scores}, model.calibration)
    assert table[RAW]["ece"] > 0.3
    assert table[ALL]["ece"] < 0.05
    assert table[SHOWN]["ece"] < 0.05
    assert found["shift"] < 0.0 or found["above"] > 1.0


def test_the_calibrated_model_keeps_the_order_of_probabilities_and_its_doubt(overconfident):
    model, found = calibrate(predictor(read_red), overconfident)
    assert model.calibration == Calibration(**found)
    ramp = np.zeros((SIDE, SIDE, 3), np.uint8)
    ramp[..., 0] = np.linspace(1, 254, SIDE).astype(np.uint8)
    before, after = read_red(ramp), model.predict(ramp)
    assert (np.diff(after.probability[0]) >= 0).all()
    assert np.array_equal(before.total, after.total)
    logit = np.log(before.probability / (1 - before.probability))
    expected = 1 / (1 + np.exp(-Calibration(**found).calibrated(logit)))
    assert after.probability == pytest.approx(expected, abs=1e-5)
