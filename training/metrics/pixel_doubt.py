"""The paper's claim, pixel by pixel: is epistemic uncertainty higher where smoke is seen that is none?

Notation: a pixel is predicted where its probability is at least k / 256; of the predicted ones those without truth are false. Pixels of
one frame are counted by truth, level and epistemic uncertainty, so that any threshold can be looked at afterwards.

Source: Yan et al. 2022, Fig. 5 and «Uncertainty Estimation»: false positives have a higher epistemic uncertainty.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from models.geometry import Mask
from models.maps import SegmentationMaps
from training.metrics import segmentation

_STEP = 8
"""Of levels, which are rounded down to it."""
_BINS = 128
_EDGES = np.geomspace(1e-7, math.log(2), _BINS + 1)
_CENTRES = np.sqrt(_EDGES[:-1] * _EDGES[1:])

EpistemicCounts = npt.NDArray[np.float64]
"""Pixels by truth (without, with), level and epistemic uncertainty, (2, 32, 128). Those of several frames add up."""


def count_epistemic(maps: SegmentationMaps, truth: Mask) -> EpistemicCounts:
    """Count the pixels of one frame.

    Args:
        maps: (h, w) each.
        truth: (h, w).
    """
    levels = np.minimum(
        (maps.probability * segmentation.LEVELS).astype(np.int64) // _STEP, segmentation.LEVELS // _STEP - 1
    )
    bins = np.searchsorted(_EDGES[1:-1], maps.epistemic.ravel())
    shape = (2, segmentation.LEVELS // _STEP, _BINS)
    flat = np.ravel_multi_index((truth.ravel().astype(np.int64), levels.ravel(), bins), shape)
    return np.bincount(flat, minlength=math.prod(shape)).reshape(shape).astype(np.float64)


def false_positive_epistemic(counts: EpistemicCounts, level: int) -> dict[str, Any]:
    """Epistemic uncertainty of the false and of the true predicted pixels at a level.

    Returns:
        `false_mean` and `true_mean` in nats, and `auroc`: the probability that a false pixel has more of it than a true one, ties
        counting half. nan where there are no such pixels.
    """
    false, true = counts[:, level // _STEP :].sum(axis=1)
    return {"false_mean": _mean(false), "true_mean": _mean(true), "auroc": _auroc(false, true)}


def _mean(pixels: npt.NDArray[np.float64]) -> float:
    return float(pixels @ _CENTRES / pixels.sum()) if pixels.sum() else float("nan")


def _auroc(false: npt.NDArray[np.float64], true: npt.NDArray[np.float64]) -> float:
    """Mann and Whitney's U over the number of pairs, from sorted bins."""
    if not (false.sum() and true.sum()):
        return float("nan")
    below = np.cumsum(true) - true / 2.0
    return float(false @ below / (false.sum() * true.sum()))
