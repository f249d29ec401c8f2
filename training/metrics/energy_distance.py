"""Whether samples differ where the truth is open: the generalised energy distance of masks."""

import numpy as np
import numpy.typing as npt

Masks = npt.NDArray[np.bool_]


def generalised_energy_distance(samples: Masks, truth: Masks) -> float:
    """GED^2 = 2 E[d(S, Y)] - E[d(S, S')] - E[d(Y, Y')], d = 1 - IoU, where one truth makes the last term 0.

    Samples that are all alike have twice their distance from the truth; what they differ by, rightly or not, is taken off, so that it
    falls only where they differ about what they get wrong. Pairs S, S' are drawn with replacement, each with itself too.

    Args:
        samples: (n, h, w), n >= 1.
        truth: (h, w).

    Returns:
        In [0, 2]. Source: Kohl et al. 2018, «A Probabilistic U-Net for Segmentation of Ambiguous Images», eq. 4.
    """
    flat = samples.reshape(len(samples), -1).astype(np.float32)
    to_truth = _distances(flat, truth.reshape(1, -1).astype(np.float32))
    return float(2.0 * to_truth.mean() - _distances(flat, flat).mean())


def _distances(first: npt.NDArray[np.float32], second: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """1 - IoU of each of n masks with each of m, from (n, pixels) and (m, pixels) of 0 and 1: (n, m); two empty masks agree."""
    shared = (first @ second.T).astype(np.float64)
    union = first.sum(axis=1, dtype=np.float64)[:, None] + second.sum(axis=1, dtype=np.float64)[None] - shared
    overlap: npt.NDArray[np.float64] = np.divide(shared, union, out=np.ones_like(shared), where=union > 0)
    return 1.0 - overlap
