"""Selective prediction: how the error falls when the most doubtful pixels are left out.

Notation: coverage c in (0, 1], the share of pixels kept, the least doubtful first; risk r(c), the mean squared error (p - y)^2 over
them, which needs no threshold: r(1) is the Brier score. AURC = integral of r over c. The oracle leaves out the pixels in the order of
their error; AUSE = AURC - AURC of the oracle: 0 where doubt orders pixels as their errors do.

Source: Geifman et al. 2019 (AURC); Ilg et al. 2018, section 4 (sparsification error).
"""

import math

import numpy as np
import numpy.typing as npt

from models.geometry import Map, Mask
from models.maps import SegmentationMaps

ORDERS = ("total", "epistemic", "aleatoric", "one_minus_confidence", "oracle")
COVERAGE = np.arange(1, 1001) / 1000.0
_BINS = 1024
_FLOOR, _CEILING = 1e-8, math.log(2)

Sums = npt.NDArray[np.float64]
"""Per order of ORDERS and bin of doubt: pixels, and their squared error, (5, 1024, 2). Sums of several frames add up."""


def squared_error_by_doubt(maps: SegmentationMaps, truth: Mask) -> Sums:
    """Sort the pixels of one frame into bins of doubt, equally wide in its logarithm, since nearly all doubt nearly nothing.

    Args:
        maps: (h, w) each.
        truth: (h, w).
    """
    distance = np.abs(maps.probability.astype(np.float64) - truth)
    unsure = np.minimum(maps.probability, 1.0 - maps.probability)
    orders = (maps.total, maps.epistemic, maps.aleatoric, unsure, _CEILING * distance)
    return np.stack([_sums(_bins(order), distance.ravel() ** 2) for order in orders])


def risk_coverage(sums: Sums) -> dict[str, npt.NDArray[np.float64]]:
    """Mean squared error at each of COVERAGE, (len(COVERAGE),) in [0, 1], per order; within a bin pixels are taken in no order."""
    return {order: _risk(rows) for order, rows in zip(ORDERS, sums, strict=True)}


def areas(sums: Sums) -> dict[str, dict[str, float]]:
    """AURC and AUSE of each order but the oracle."""
    area = {order: float(risk.mean()) for order, risk in risk_coverage(sums).items()}
    return {order: {"aurc": area[order], "ause": area[order] - area["oracle"]} for order in ORDERS if order != "oracle"}


def _bins(doubt: Map | npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    clipped = np.asarray(np.clip(doubt, _FLOOR, _CEILING), np.float64).ravel()
    exponent = np.log(clipped / _FLOOR) / math.log(_CEILING / _FLOOR)
    return np.asarray(np.minimum((exponent * _BINS).astype(np.int64), _BINS - 1), np.int64)


def _sums(bins: npt.NDArray[np.int64], error: npt.NDArray[np.float64]) -> Sums:
    return np.stack([np.bincount(bins, minlength=_BINS), np.bincount(bins, weights=error, minlength=_BINS)], axis=1)


def _risk(rows: Sums) -> npt.NDArray[np.float64]:
    """Mean error of the least doubtful share of the pixels, at each of COVERAGE."""
    kept, error = np.concatenate([np.zeros((1, 2)), rows.cumsum(axis=0)]).T
    wanted = COVERAGE * kept[-1]
    return np.asarray(np.interp(wanted, kept, error) / np.maximum(wanted, 1e-12), np.float64)
