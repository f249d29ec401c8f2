"""Measures where their value is computed by hand."""

import math

import numpy as np
import py_sod_metrics
import pytest
import torch
from torchmetrics.functional.classification import binary_calibration_error, binary_fbeta_score, binary_jaccard_index

from tests.training.metrics.exact import reliability_of_pixels
from training.metrics import segmentation
from training.metrics.segmentation import LEVELS


def row(*values: float) -> np.ndarray:
    return np.array([values], np.float32)


PROBABILITY, MASK = row(0.9, 0.6, 0.4, 0.1), row(1, 0, 1, 0).astype(bool)


def test_counts_at_every_threshold_are_those_of_comparing_at_each():
    rng = np.random.default_rng(0)
    probability, mask = rng.random((20, 30)).astype(np.float32), rng.random((20, 30)) < 0.3
    probability.flat[:4] = (0.0, 1.0, 0.5, 128 / 256)
    counts = segmentation.count(probability, mask)
    for level in range(LEVELS):
        found = probability >= level / LEVELS
        assert counts.true_positives[level] == (found & mask).sum()
        assert counts.false_positives[level] == (found & ~mask).sum()
    assert counts.positives == mask.sum()


def test_a_probability_of_exactly_one_counts_at_the_highest_threshold():
    counts = segmentation.count(row(1.0), row(1).astype(bool))
    assert counts.true_positives[-1] == 1.0


def test_f_beta_is_as_computed_by_hand():
    # At 1/2: one of two found rightly, one wrongly: P = 1/2, R = 1/2. At 1/4: P = 2/3, R = 1. At 3/4: P = 1, R = 1/2.
    curve = segmentation.f_beta(segmentation.count(PROBABILITY, MASK))
    expected = {128: 0.5, 64: 1.3 * (2 / 3) / (0.3 * (2 / 3) + 1), 192: 1.3 * 0.5 / (0.3 + 0.5)}
    assert {level: curve[level] for level in expected} == pytest.approx(expected)


def test_iou_is_as_computed_by_hand():
    curve = segmentation.iou(segmentation.count(PROBABILITY, MASK))
    assert [curve[level] for level in (0, 64, 128, 192, 255)] == pytest.approx([1 / 2, 2 / 3, 1 / 3, 1 / 2, 0])


def test_a_perfect_prediction_scores_one_at_every_threshold_above_zero():
    counts = segmentation.count(MASK.astype(np.float32), MASK)
    assert segmentation.f_beta(counts)[1:] == pytest.approx(np.ones(LEVELS - 1))
    assert segmentation.iou(counts)[1:] == pytest.approx(np.ones(LEVELS - 1))


def test_nothing_found_scores_zero():
    counts = segmentation.count(np.zeros((2, 2), np.float32), np.ones((2, 2), bool))
    assert segmentation.f_beta(counts)[1:].max() == 0.0
    assert segmentation.iou(counts)[1:].max() == 0.0


def test_no_smoke_and_none_predicted_is_no_error():
    counts = segmentation.count(np.zeros((2, 2), np.float32), np.zeros((2, 2), bool))
    assert (segmentation.iou(counts)[1:] == 1.0).all()
    assert (segmentation.f_beta(counts) == 0.0).all()


def test_the_squared_error_is_as_computed_by_hand():
    assert segmentation.mean_squared_error(PROBABILITY, MASK) == pytest.approx((0.01 + 0.36 + 0.36 + 0.01) / 4)


def test_the_squared_error_of_saying_nothing_is_the_share_of_smoke():
    assert segmentation.mean_squared_error(np.zeros((1, 4), np.float32), MASK) == 0.5


def test_the_calibration_error_is_as_computed_by_hand():
    # Ten pixels at 0.9, eight of them smoke; ten at 0.3, five of them smoke: (|9 - 8| + |3 - 5|) / 20.
    probability = row(*[0.9] * 10, *[0.3] * 10)
    mask = row(*[1] * 8, *[0] * 2, *[1] * 5, *[0] * 5).astype(bool)
    assert segmentation.expected_calibration_error(reliability_of_pixels(probability, mask)) == pytest.approx(
        3 / 20, abs=1e-6
    )


def test_a_model_that_means_what_it_says_is_calibrated():
    probability = row(*[0.25] * 8)
    mask = row(1, 1, *[0] * 6).astype(bool)
    assert segmentation.expected_calibration_error(reliability_of_pixels(probability, mask)) == pytest.approx(0.0)


def test_the_calibration_error_of_no_pixel_is_zero():
    assert segmentation.expected_calibration_error(np.zeros((3, 15))) == 0.0


def test_torchmetrics_agrees_on_f_beta_iou_and_calibration_error():
    rng = np.random.default_rng(5)
    probability = rng.random((40, 50)).astype(np.float32)
    mask = rng.random((40, 50)) < 0.7 * probability
    counts, level = segmentation.count(probability, mask), 96
    # torchmetrics counts p > t, so its threshold lies just below ours.
    just_below = math.nextafter(level / LEVELS, 0.0)
    ours = (segmentation.f_beta(counts)[level], segmentation.iou(counts)[level])
    predicted, truth = torch.from_numpy(probability.astype(np.float64)), torch.from_numpy(mask)
    theirs = (
        binary_fbeta_score(predicted, truth, math.sqrt(0.3), threshold=just_below),
        binary_jaccard_index(predicted, truth, threshold=just_below),
    )
    assert ours == pytest.approx([float(value) for value in theirs], abs=1e-6)
    error = segmentation.expected_calibration_error(reliability_of_pixels(probability, mask))
    assert error == pytest.approx(float(binary_calibration_error(predicted.float(), truth, n_bins=15)), abs=1e-4)


def test_precision_and_recall_are_as_computed_by_hand():
    counts = segmentation.count(PROBABILITY, MASK)
    assert [segmentation.precision(counts)[level] for level in (64, 128, 192, 240)] == pytest.approx(
        [2 / 3, 1 / 2, 1, 0]
    )
    assert [segmentation.recall(counts)[level] for level in (64, 128, 192, 240)] == pytest.approx([1, 1 / 2, 1 / 2, 0])


def test_the_adaptive_threshold_is_twice_the_mean_and_at_most_one():
    # Mean 0.25: at 0.5 the two highest count, one of them rightly: P = R = 1/2.
    assert segmentation.adaptive_f_beta(row(0.6, 0.0, 0.4, 0.0), MASK) == pytest.approx(1.3 * 1 / (0.3 * 2 + 1))
    # Mean 0.75: at 1 only the sure pixel counts, rightly: P = 1, R = 1/2.
    assert segmentation.adaptive_f_beta(row(1.0, 0.7, 0.7, 0.6), MASK) == pytest.approx(1.3 * 1 / (0.3 * 2 + 1))
    assert segmentation.adaptive_f_beta(np.zeros((1, 4), np.float32), MASK) == pytest.approx(1.3 * 2 / (0.3 * 2 + 4))


def sod_metrics(pairs: list[tuple[np.ndarray, np.ndarray]]) -> dict:
    """What pysodmetrics says of maps in [0, 1], its normalisation per image off."""
    handlers = {
        "f_beta": py_sod_metrics.FmeasureHandler(with_dynamic=True, with_adaptive=True, beta=0.3),
        "precision": py_sod_metrics.PrecisionHandler(with_dynamic=True, with_adaptive=False),
        "recall": py_sod_metrics.RecallHandler(with_dynamic=True, with_adaptive=False),
        "iou": py_sod_metrics.IOUHandler(with_dynamic=True, with_adaptive=False),
    }
    judge = py_sod_metrics.FmeasureV2(handlers)
    for probability, mask in pairs:
        judge.step(probability.astype(np.float64), mask, normalize=False)
    found = judge.get_results()
    # Its curves run from the highest threshold down.
    return {name: {"curve": result["dynamic"][::-1]} | result for name, result in found.items()}


def test_pysodmetrics_agrees_on_f_beta_mean_maximal_adaptive_and_at_every_threshold():
    rng = np.random.default_rng(11)
    # As the paper's maps are published: 8 bits, so that its thresholds k / 255 and ours at k / 256 part the same pixels.
    grey = [rng.integers(0, 256, (30, 40)) for _ in range(4)]
    pairs = [(values / 255.0, rng.random((30, 40)) < (values / 255.0) ** 2) for values in grey]
    theirs = sod_metrics(pairs)
    counts = [segmentation.count(probability.astype(np.float32), mask) for probability, mask in pairs]
    for name, curve in (
        ("precision", segmentation.precision),
        ("recall", segmentation.recall),
        ("iou", segmentation.iou),
    ):
        assert np.mean([curve(count) for count in counts], axis=0) == pytest.approx(theirs[name]["curve"]), name
    ours = np.mean([segmentation.f_beta(count) for count in counts], axis=0)
    assert ours == pytest.approx(theirs["f_beta"]["curve"])
    assert (ours.mean(), ours.max()) == pytest.approx(
        (theirs["f_beta"]["curve"].mean(), theirs["f_beta"]["curve"].max())
    )
    adaptive = np.mean(
        [segmentation.adaptive_f_beta(probability.astype(np.float32), mask) for probability, mask in pairs]
    )
    assert adaptive == pytest.approx(theirs["f_beta"]["adaptive"])
