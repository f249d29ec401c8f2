"""The reliability of pixels counted one by one: what the package's histograms of logits are held against."""

import numpy as np

from training.metrics.segmentation import BINS


def reliability_of_pixels(probability: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Per confidence bin the pixels, their probability and their smoke, (3, BINS)."""
    bins = np.minimum((probability * BINS).astype(np.int64), BINS - 1).ravel()
    ones = np.bincount(bins, minlength=BINS)
    confidence = np.bincount(bins, weights=probability.ravel(), minlength=BINS)
    smoke = np.bincount(bins, weights=mask.ravel(), minlength=BINS)
    return np.stack([ones, confidence, smoke]).astype(np.float64)
