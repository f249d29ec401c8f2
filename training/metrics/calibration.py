"""Calibration of the shown probability, fitted on histograms of logits, so that any fit costs one pass."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from models.geometry import Map, Mask
from training.metrics import segmentation

UNSURE = (0.05, 0.95)
"""Probabilities between which a pixel is neither surely smoke nor surely none."""
_LIMIT = 16.0
_EDGES = np.linspace(-_LIMIT, _LIMIT, 1026)  # an odd number of bins, so that a logit of 0 is the centre of one
_BOUNDS = ((np.log(0.2), np.log(10.0)), (-10.0, 10.0), (np.log(0.2), np.log(5.0)))
"""Of log T, b and log r: a model that separates its few frames perfectly would ask for T = 0."""
LOGITS = (_EDGES[:-1] + _EDGES[1:]) / 2.0
"""The centres of a histogram's bins, (1025,)."""

_Values = npt.NDArray[np.float64]
LogitHistogram = npt.NDArray[np.float64]
"""Pixels by logit, (2, 1025): first those without smoke, then those with. Histograms of several frames add up."""


class Calibration(NamedTuple):
    """A logit becomes s' = (min(s, 0) + max(s, 0) / r) / T + b.

    Source: Platt 1999, with a slope of its own for the sure half, as beta calibration has one for each end (Kull, Silva Filho and Flach
    2017, «Beta calibration»), which the straight halves spare a logarithm a pixel. Guo et al. 2017 fit T alone; but the structure loss
    weighs smoke up, which shifts logits, and makes those above 0 surer than they may be.

    Attributes:
        temperature: T > 0; above 1 softens.
        shift: b, in logits; below 0 lowers every probability.
        above: r > 0; above 1 softens logits above 0 more than those below.
    """

    temperature: float = 1.0
    shift: float = 0.0
    above: float = 1.0

    def calibrated(self, logits: _Values) -> _Values:
        """Raw logits of any shape -> shown ones."""
        return (np.minimum(logits, 0.0) + np.maximum(logits, 0.0) / self.above) / self.temperature + self.shift

    def raw(self, logits: _Values) -> _Values:
        """Shown logits -> raw ones."""
        halves = (logits - self.shift) * self.temperature
        return np.minimum(halves, 0.0) + np.maximum(halves, 0.0) * self.above


def logit_histogram(probability: Map, mask: Mask) -> LogitHistogram:
    """Count the pixels of one frame by the logit of their probability (h, w) and by their truth (h, w).

    Raises:
        ValueError: A pixel has no probability.
    """
    if not np.isfinite(probability).all():
        raise ValueError(f"found {int((~np.isfinite(probability)).sum())} pixels without a probability, expected none")
    clipped = np.clip(probability.astype(np.float64), 1.2e-7, 1.0 - 1.2e-7)
    logits = np.clip(special.logit(clipped), -_LIMIT, _LIMIT)
    return np.stack([np.histogram(logits[chosen], _EDGES)[0] for chosen in (~mask, mask)]).astype(np.float64)


def negative_log_likelihood(histogram: LogitHistogram, logits: _Values = LOGITS) -> float:
    """Mean over pixels of -log p(truth), in nats, where each bin is given a logit, (1025,)."""
    without, with_smoke = histogram
    total = without @ np.logaddexp(0.0, logits) + with_smoke @ np.logaddexp(0.0, -logits)
    return float(total / max(histogram.sum(), 1.0))


def brier(histogram: LogitHistogram, logits: _Values = LOGITS) -> float:
    """Mean over pixels of (p - y)^2, where each bin is given a logit. Source: Brier 1950."""
    probability = special.expit(logits)
    without, with_smoke = histogram
    total = without @ probability**2 + with_smoke @ (1.0 - probability) ** 2
    return float(total / max(histogram.sum(), 1.0))


def fit_temperature(histogram: LogitHistogram, logits: _Values = LOGITS) -> Calibration:
    """The temperature alone with the smallest negative log likelihood; 1 where one class is absent.

    Args:
        histogram: Of one or many frames.
        logits: The raw logit of each bin, (1025,); another than its centre where the histogram is of shown logits.

    Source: Guo et al. 2017, section 4.2.
    """
    if not histogram.sum(axis=1).all():
        return Calibration()

    def objective(log_temperature: float) -> float:
        return negative_log_likelihood(histogram, logits / np.exp(log_temperature))

    found = optimize.minimize_scalar(objective, bounds=_BOUNDS[0], method="bounded", options={"xatol": 1e-4})
    return Calibration(float(np.exp(found.x)))


def fit_calibration(histogram: LogitHistogram, logits: _Values = LOGITS) -> Calibration:
    """All three parameters with the smallest negative log likelihood; the identity where only one class is present.

    Args:
        histogram, logits: As for `fit_temperature`.
    """
    if not histogram.sum(axis=1).all():
        return Calibration()

    def calibration(parameters: _Values) -> Calibration:
        return Calibration(float(np.exp(parameters[0])), float(parameters[1]), float(np.exp(parameters[2])))

    def objective(parameters: _Values) -> float:
        return negative_log_likelihood(histogram, calibration(parameters).calibrated(logits))

    tolerances = {"xatol": 1e-4, "fatol": 1e-10}
    found = optimize.minimize(objective, np.zeros(3), method="Nelder-Mead", bounds=_BOUNDS, options=tolerances)
    return calibration(found.x)


def reliability(
    histogram: LogitHistogram, logits: _Values = LOGITS, band: tuple[float, float] = (0.0, 1.0)
) -> segmentation.Curve:
    """Sums for a reliability diagram, (3, 15): per confidence bin the pixels, their probability and their smoke.

    Args:
        histogram: Of one or many frames.
        logits: The logit that each bin is given, (1025,).
        band: Pixels whose probability lies outside are left out.
    """
    probability = special.expit(logits)
    inside = (probability >= band[0]) & (probability <= band[1])
    pixels = histogram.sum(axis=0) * inside
    bins = np.minimum((probability * segmentation.BINS).astype(np.int64), segmentation.BINS - 1)
    weights = (pixels, pixels * probability, histogram[1] * inside)
    return np.stack([np.bincount(bins, weights=weight, minlength=segmentation.BINS) for weight in weights])


def change_logits(probability: Map, change: Callable[[_Values], _Values]) -> Map:
    """A map in [0, 1] whose logits become others, as `Calibration.calibrated` or `Calibration.raw` says."""
    if not np.isfinite(probability).all():
        raise ValueError(f"found {int((~np.isfinite(probability)).sum())} pixels without a probability, expected none")
    clipped = np.clip(probability.astype(np.float64), 1e-12, 1.0 - 1e-12)
    return np.asarray(special.expit(change(special.logit(clipped))), np.float32)
