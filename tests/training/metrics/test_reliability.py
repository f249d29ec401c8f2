"""Raw and calibrated probabilities beside each other, where the distortion is known."""

import numpy as np
import pytest

from tests.training.metrics.test_calibration import drawn
from training.metrics import calibration, segmentation
from training.metrics.calibration import Calibration
from training.metrics.reliability import ALL, RAW, SHOWN, TEMPERATURE, best_form, calibration_table, form_of


def groups(distortion: Calibration, count: int = 3, side: int = 200) -> dict[str, np.ndarray]:
    """Cameras whose honest probabilities were all distorted alike."""
    histograms = {}
    for seed in range(count):
        honest, truth = drawn(seed, side)
        histograms[str(seed)] = calibration.logit_histogram(
            calibration.change_logits(honest, distortion.calibrated), truth
        )
    return histograms


def fitted(histogram: np.ndarray) -> np.ndarray:
    """The logits that a fit on a histogram gives its bins."""
    return calibration.fit_calibration(histogram).calibrated(calibration.LOGITS)


def test_what_is_not_known_to_be_calibrated_is_told_as_it_is_shown_alone():
    assert set(calibration_table(groups(Calibration()), None)) == {SHOWN}


def test_a_sharpened_model_is_mended_by_a_temperature_alone():
    table = calibration_table(groups(Calibration(temperature=0.5)), Calibration())
    assert table[RAW]["ece"] == table[SHOWN]["ece"] > 0.05
    assert table[TEMPERATURE]["ece"] < 0.01
    assert table[ALL]["ece"] < 0.01
    assert table[TEMPERATURE]["nll"] < table[RAW]["nll"]
    assert table[TEMPERATURE]["brier"] < table[RAW]["brier"]


def test_a_shifted_model_needs_the_shift_as_well():
    table = calibration_table(groups(Calibration(shift=-2.0)), Calibration())
    assert table[TEMPERATURE]["ece"] > 0.05
    assert table[ALL]["ece"] < 0.01


def test_a_model_that_is_too_sure_of_smoke_alone_needs_a_temperature_of_its_own_there():
    table = calibration_table(groups(Calibration(above=0.2)), Calibration())
    assert table[TEMPERATURE]["ece_unsure"] > 0.03
    assert table[ALL]["ece_unsure"] < 0.01
    assert best_form(table) == ALL


def test_the_raw_probability_is_won_back_from_a_calibrated_one():
    distortion = Calibration(temperature=0.5, shift=1.0, above=1.5)
    raw = calibration_table(groups(Calibration()), Calibration())
    shown = calibration_table(groups(distortion), distortion)
    for name in (RAW, TEMPERATURE, ALL):
        assert shown[name]["ece"] == pytest.approx(raw[name]["ece"], abs=2e-3), name
        assert shown[name]["brier"] == pytest.approx(raw[name]["brier"], abs=2e-3), name
    assert shown[SHOWN]["ece"] > 0.05


def test_no_group_is_calibrated_by_a_fit_on_itself():
    honest, truth = drawn(3, side=100)
    timid = calibration.change_logits(honest, Calibration(shift=-2.0).calibrated)
    histograms = {"a": calibration.logit_histogram(honest, truth), "b": calibration.logit_histogram(timid, truth)}
    by_the_other = calibration.reliability(histograms["a"], fitted(histograms["b"]))
    by_the_other += calibration.reliability(histograms["b"], fitted(histograms["a"]))
    row = calibration_table(histograms, Calibration())[ALL]
    assert np.array(row["reliability"]) == pytest.approx(by_the_other)
    assert row["ece"] == pytest.approx(segmentation.expected_calibration_error(by_the_other))
    assert row["ece"] > 0.1


def test_the_interval_of_the_error_holds_it():
    row = calibration_table(groups(Calibration(temperature=0.5)), Calibration())[RAW]
    low, high = row["ece_interval"]
    assert low <= row["ece"] <= high


def test_the_brier_score_and_likelihood_are_those_of_the_pixels():
    probability = np.array([[0.25, 0.5, 0.75, 0.75]], np.float32)
    truth = np.array([[False, True, True, False]])
    row = calibration_table({"a": calibration.logit_histogram(probability, truth)}, None)[SHOWN]
    assert row["brier"] == pytest.approx((0.0625 + 0.25 + 0.0625 + 0.5625) / 4, abs=0.01)
    assert row["nll"] == pytest.approx(-np.log([0.75, 0.5, 0.75, 0.25]).mean(), abs=0.01)


def test_the_form_is_that_of_the_calibration():
    assert form_of(None) == SHOWN
    assert form_of(Calibration(1.5)) == TEMPERATURE
    assert form_of(Calibration(1.5, -0.25, 2.0)) == form_of(Calibration(1.5, 0.0, 2.0)) == ALL
    assert form_of(Calibration(1.5, -0.25)) == SHOWN  # of an earlier version
