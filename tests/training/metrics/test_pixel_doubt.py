"""Epistemic uncertainty of false and true pixels, from maps whose pixels can be counted."""

import numpy as np
import pytest

from models.maps import SegmentationMaps
from training.metrics.pixel_doubt import count_epistemic, false_positive_epistemic


def maps(probability: list[float], epistemic: list[float]) -> SegmentationMaps:
    seen, doubt = (np.array([values], np.float32) for values in (probability, epistemic))
    return SegmentationMaps(seen, doubt, np.zeros_like(doubt), doubt)


TRUTH = np.array([[True, True, False, False, False]])


def test_false_pixels_that_are_doubted_more_rank_above_true_ones():
    counts = count_epistemic(maps([0.9, 0.9, 0.9, 0.9, 0.1], [0.01, 0.02, 0.1, 0.2, 0.5]), TRUTH)
    found = false_positive_epistemic(counts, 128)
    assert found["auroc"] == 1.0
    assert found["false_mean"] == pytest.approx(0.15, rel=0.1)
    assert found["true_mean"] == pytest.approx(0.015, rel=0.1)


def test_pixels_below_the_threshold_are_not_predicted():
    counts = count_epistemic(maps([0.9, 0.2, 0.2, 0.9, 0.1], [0.2, 0.01, 0.01, 0.1, 0.01]), TRUTH)
    assert false_positive_epistemic(counts, 128)["auroc"] == 0.0
    assert false_positive_epistemic(counts, 32)["auroc"] == pytest.approx((1 * 1 + 0.5 + 0) / 4, abs=0.13)


def test_equal_doubt_is_a_half_and_none_predicted_is_no_number():
    counts = count_epistemic(maps([0.9] * 5, [0.05] * 5), TRUTH)
    assert false_positive_epistemic(counts, 128)["auroc"] == 0.5
    assert np.isnan(false_positive_epistemic(counts, 248)["auroc"])


def test_counts_of_frames_add_up():
    one = maps([0.9] * 5, [0.3, 0.3, 1e-9, 1e-9, 1e-9])
    counts = count_epistemic(one, TRUTH)
    assert counts.sum() == 5
    assert false_positive_epistemic(counts + counts, 128) == false_positive_epistemic(counts, 128)
