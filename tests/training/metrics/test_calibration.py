"""Calibration where the right answer is known: the truth is drawn from probabilities that were then distorted."""

import math

import numpy as np
import pytest

from tests.training.metrics.exact import reliability_of_pixels
from training.metrics import calibration, segmentation
from training.metrics.calibration import Calibration


def drawn(seed: int = 0, side: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Honest probabilities, and a truth drawn from them."""
    rng = np.random.default_rng(seed)
    probability = 1.0 / (1.0 + np.exp(-rng.normal(-2.0, 2.0, (side, side))))
    return probability.astype(np.float32), rng.random((side, side)) < probability


def test_an_honest_model_is_left_as_it_is():
    found = calibration.fit_calibration(calibration.logit_histogram(*drawn()))
    assert found.temperature == pytest.approx(1.0, abs=0.05)
    assert found.shift == pytest.approx(0.0, abs=0.05)
    assert found.above == pytest.approx(1.0, abs=0.05)


def test_a_known_distortion_is_undone():
    honest, truth = drawn()
    distorted = calibration.change_logits(honest, Calibration(temperature=0.5, shift=3.0).calibrated)
    histogram = calibration.logit_histogram(distorted, truth)
    found = calibration.fit_calibration(histogram)
    # logit' = logit / 0.5 + 3, so logit = logit' / 2 - 1.5
    assert found.temperature == pytest.approx(2.0, abs=0.1)
    assert found.shift == pytest.approx(-1.5, abs=0.1)
    assert found.above == pytest.approx(1.0, abs=0.1)
    before = segmentation.expected_calibration_error(calibration.reliability(histogram))
    after = segmentation.expected_calibration_error(
        calibration.reliability(histogram, found.calibrated(calibration.LOGITS))
    )
    assert before > 0.1
    assert after < 0.01


def test_the_negative_log_likelihood_of_a_coin_is_ln_2():
    histogram = calibration.logit_histogram(np.full((8, 8), 0.5, np.float32), np.eye(8, dtype=bool))
    assert calibration.negative_log_likelihood(histogram) == pytest.approx(math.log(2), abs=1e-3)


def test_the_histogram_gives_the_same_calibration_error_as_the_pixels():
    probability, truth = drawn(1)
    exact = segmentation.expected_calibration_error(reliability_of_pixels(probability, truth))
    binned = segmentation.expected_calibration_error(
        calibration.reliability(calibration.logit_histogram(probability, truth))
    )
    assert binned == pytest.approx(exact, abs=2e-3)


def test_a_band_leaves_the_sure_pixels_out():
    probability = np.array([[0.001, 0.5, 0.6, 0.999]], np.float32)
    histogram = calibration.logit_histogram(probability, np.array([[False, True, False, True]]))
    assert calibration.reliability(histogram, band=(0.05, 0.95))[0].sum() == 2


def test_frames_without_any_smoke_cannot_be_fitted_and_change_nothing():
    histogram = calibration.logit_histogram(np.full((8, 8), 0.2, np.float32), np.zeros((8, 8), bool))
    assert calibration.fit_calibration(histogram) == Calibration()


def test_applying_keeps_the_order_and_the_identity_changes_nothing():
    values = np.linspace(0.001, 0.999, 100, dtype=np.float32)[None]
    assert calibration.change_logits(values, Calibration().calibrated) == pytest.approx(values, abs=1e-6)
    assert (np.diff(calibration.change_logits(values, Calibration(2.0, -1.0, 3.0).calibrated)[0]) > 0).all()


def test_reliability_sums_fall_into_bins_of_a_fifteenth():
    probability = np.array([[0.001, 0.05, 0.5, 0.999]], np.float32)
    histogram = calibration.logit_histogram(probability, np.array([[False, True, False, True]]))
    pixels, confidence, smoke = calibration.reliability(histogram)
    assert pixels.nonzero()[0].tolist() == [0, 7, 14]
    assert (pixels[0], smoke[0]) == (2, 1)
    assert confidence[0] == pytest.approx(0.051, abs=1e-3)
    assert (pixels[14], smoke[14]) == (1, 1)


def test_histograms_of_frames_add_up_to_that_of_all_their_pixels():
    probability, truth = drawn(2, side=8)
    parts = sum(calibration.logit_histogram(probability[k : k + 2], truth[k : k + 2]) for k in range(0, 8, 2))
    assert np.array_equal(parts, calibration.logit_histogram(probability, truth))


@pytest.mark.parametrize("one", [Calibration(), Calibration(0.5, 3.0), Calibration(2.0, -1.0, 3.0)])
def test_raw_logits_are_won_back_from_shown_ones(one):
    values = np.linspace(-6.0, 6.0, 50)
    assert one.raw(one.calibrated(values)) == pytest.approx(values)


def test_logits_above_0_have_a_temperature_of_their_own():
    shown = Calibration(temperature=2.0, shift=0.5, above=4.0).calibrated(np.array([-8.0, 0.0, 8.0]))
    assert shown.tolist() == [-8.0 / 2 + 0.5, 0.5, 8.0 / (2 * 4) + 0.5]


def test_a_temperature_is_found_alone_for_the_raw_logits_of_shown_ones():
    honest, truth = drawn()
    shown = Calibration(0.5, 1.0)
    sharp = calibration.logit_histogram(calibration.change_logits(honest, shown.calibrated), truth)
    # Of half the honest logits it takes a temperature of 1/2 to bring them back.
    found = calibration.fit_temperature(sharp, shown.raw(calibration.LOGITS) / 2.0)
    assert (found.temperature, found.shift, found.above) == (pytest.approx(0.5, abs=0.03), 0.0, 1.0)
    assert calibration.fit_temperature(np.zeros((2, 1025))) == Calibration()


def test_the_brier_score_of_a_coin_is_a_quarter():
    histogram = calibration.logit_histogram(np.full((8, 8), 0.5, np.float32), np.eye(8, dtype=bool))
    assert calibration.brier(histogram) == pytest.approx(0.25, abs=1e-3)


def test_a_pixel_without_a_probability_is_refused():
    probability = np.full((2, 3), 0.5, np.float32)
    probability[0, 1] = np.nan
    with pytest.raises(ValueError, match="found 1 pixels without a probability, expected none"):
        calibration.logit_histogram(probability, np.zeros((2, 3), bool))
