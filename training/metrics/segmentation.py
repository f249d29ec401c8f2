"""Measures of one frame's prediction and of many: F-beta and IoU at every threshold at once, squared error, false alarms."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.geometry import Map, Mask

LEVELS = 256
"""Thresholds are k / 256 for k = 0..255."""
BETA_SQUARED = 0.3
BINS = 15

Curve = npt.NDArray[np.float64]
"""One value per threshold, (256,)."""


class Counts(NamedTuple):
    """Pixels predicted as smoke at each threshold, rightly and wrongly, each (256,), and the pixels that are smoke."""

    true_positives: Curve
    false_positives: Curve
    positives: float


def count(probability: Map, mask: Mask) -> Counts:
    """Count p >= t_k against the truth for all k in one pass.

    Args:
        probability: (h, w) in [0, 1].
        mask: (h, w) truth.
    """
    level = np.minimum((probability * LEVELS).astype(np.int64), LEVELS - 1)
    positives = np.bincount(level[mask], minlength=LEVELS)
    negatives = np.bincount(level[~mask], minlength=LEVELS)
    return Counts(_at_least(positives), _at_least(negatives), float(mask.sum()))


def f_beta(counts: Counts) -> Curve:
    """F = (1 + b) P R / (b P + R) at every threshold, 0 where nothing is found rightly; b = beta^2.

    Source: Achanta et al. 2009, eq. 6, where b = 0.3.
    """
    predicted = counts.true_positives + counts.false_positives
    # P = tp / predicted and R = tp / positives turn F into (1 + b) tp / (b positives + predicted).
    denominator = BETA_SQUARED * counts.positives + predicted
    return np.divide((1.0 + BETA_SQUARED) * counts.true_positives, denominator, np.zeros(LEVELS), where=denominator > 0)


def precision(counts: Counts) -> Curve:
    """Share of the predicted pixels that are smoke, at every threshold; 0 where none is predicted."""
    predicted = counts.true_positives + counts.false_positives
    return np.divide(counts.true_positives, predicted, np.zeros(LEVELS), where=predicted > 0)


def recall(counts: Counts) -> Curve:
    """Share of the smoke's pixels that are predicted, at every threshold; 0 where there is no smoke."""
    return np.asarray(counts.true_positives / max(counts.positives, 1.0), np.float64)


def adaptive_f_beta(probability: Map, mask: Mask) -> float:
    """F-beta of one frame at twice its mean probability, at most 1, which is a threshold of its own.

    Source: Achanta et al. 2009, section 4.2.
    """
    threshold = min(2.0 * float(probability.mean(dtype=np.float64)), 1.0)
    found = probability >= threshold
    right, predicted = float(found[mask].sum()), float(found.sum())
    denominator = BETA_SQUARED * float(mask.sum()) + predicted
    return (1.0 + BETA_SQUARED) * right / denominator if denominator else 0.0


def iou(counts: Counts) -> Curve:
    """Intersection over union at every threshold; 1 where there is no smoke and none is predicted."""
    union = counts.positives + counts.false_positives
    return np.divide(counts.true_positives, union, np.ones(LEVELS), where=union > 0)


def mean_squared_error(probability: Map, mask: Mask) -> float:
    """Mean over pixels of (p - y)^2: the M of the paper for one frame."""
    return float(np.mean((probability - mask) ** 2))


def expected_calibration_error(sums: Curve) -> float:
    """ECE = sum over bins of |mean confidence - share of smoke|, weighted by pixels, in [0, 1]; `sums` is (3, BINS)."""
    pixels, confidence, smoke = sums
    return float(np.abs(confidence - smoke).sum() / max(pixels.sum(), 1.0))


def _at_least(histogram: npt.NDArray[np.int64]) -> Curve:
    """Histogram over levels -> number of pixels at or above each level."""
    return histogram[::-1].cumsum()[::-1].astype(np.float64)
