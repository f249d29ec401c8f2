"""Calibration of the shown probability: p = sigmoid(logit / T + b), fitted on histograms of logits, so that any fit costs one pass."""

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
_BOUNDS = ((np.log(0.2), np.log(10.0)), (-10.0, 10.0))
"""Of log T and b: a model that separates its few frames perfectly would ask for T = 0."""
_CENTRES = (_EDGES[:-1] + _EDGES[1:]) / 2.0

LogitHistogram = npt.NDArray[np.float64]
"""Pixels by logit, (2, 1025): first those without smoke, then those with. Histograms of several frames add up."""


class Calibration(NamedTuple):
    """Platt's scaling. Departs: Guo et al. 2017 fit T alone; the structure loss weighs smoke up, which shifts every logit.

    Attributes:
        temperature: T > 0; above 1 softens.
        shift: b, in logits; below 0 lowers every probability.
    """

    temperature: float = 1.0
    shift: float = 0.0

    def then(self, after: "Calibration") -> "Calibration":
        """The calibration that does this one and after it another."""
        return Calibration(self.temperature * after.temperature, self.shift / after.temperature + after.shift)

    def undone(self) -> "Calibration":
        """The calibration that brings shown logits back to raw ones."""
        return Calibration(1.0 / self.temperature, -self.shift * self.temperature)


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


def negative_log_likelihood(histogram: LogitHistogram, calibration: Calibration) -> float:
    """Mean over pixels of -log p(truth), in nats."""
    scaled = _CENTRES / calibration.temperature + calibration.shift
    without, with_smoke = histogram
    total = without @ np.logaddexp(0.0, scaled) + with_smoke @ np.logaddexp(0.0, -scaled)
    return float(total / max(histogram.sum(), 1.0))


def brier(histogram: LogitHistogram, calibration: Calibration) -> float:
    """Mean over pixels of (p - y)^2. Source: Brier 1950."""
    probability = special.expit(_CENTRES / calibration.temperature + calibration.shift)
    without, with_smoke = histogram
    total = without @ probability**2 + with_smoke @ (1.0 - probability) ** 2
    return float(total / max(histogram.sum(), 1.0))


def fit_temperature(histogram: LogitHistogram, before: Calibration) -> Calibration:
    """The temperature alone, applied after `before`, with the smallest negative log likelihood; 1 where one class is absent.

    Source: Guo et al. 2017, section 4.2.
    """
    if not histogram.sum(axis=1).all():
        return Calibration()

    def objective(log_temperature: float) -> float:
        return negative_log_likelihood(histogram, before.then(Calibration(float(np.exp(log_temperature)))))

    found = optimize.minimize_scalar(objective, bounds=_BOUNDS[0], method="bounded", options={"xatol": 1e-4})
    return Calibration(float(np.exp(found.x)))


def fit_calibration(histogram: LogitHistogram) -> Calibration:
    """The temperature and shift with the smallest negative log likelihood; the identity where only one class is present.

    Source: Platt 1999; Guo et al. 2017, section 4.
    """
    if not histogram.sum(axis=1).all():
        return Calibration()

    def objective(parameters: npt.NDArray[np.float64]) -> float:
        return negative_log_likelihood(histogram, Calibration(float(np.exp(parameters[0])), float(parameters[1])))

    tolerances = {"xatol": 1e-4, "fatol": 1e-10}
    found = optimize.minimize(objective, np.zeros(2), method="Nelder-Mead", bounds=_BOUNDS, options=tolerances)
    return Calibration(float(np.exp(found.x[0])), float(found.x[1]))


def reliability(
    histogram: LogitHistogram, calibration: Calibration, band: tuple[float, float] = (0.0, 1.0)
) -> segmentation.Curve:
    """Sums for a reliability diagram, (3, 15): per confidence bin the pixels, their probability and their smoke.

    Args:
        histogram: Of one or many frames.
        calibration: How the logits are shown.
        band: Pixels whose probability lies outside are left out.
    """
    probability = special.expit(_CENTRES / calibration.temperature + calibration.shift)
    inside = (probability >= band[0]) & (probability <= band[1])
    pixels = histogram.sum(axis=0) * inside
    bins = np.minimum((probability * segmentation.BINS).astype(np.int64), segmentation.BINS - 1)
    weights = (pixels, pixels * probability, histogram[1] * inside)
    return np.stack([np.bincount(bins, weights=weight, minlength=segmentation.BINS) for weight in weights])


def apply(probability: Map, calibration: Calibration) -> Map:
    """Sigmoid(logit(p) / T + b) of a map in [0, 1]."""
    if not np.isfinite(probability).all():
        raise ValueError(f"found {int((~np.isfinite(probability)).sum())} pixels without a probability, expected none")
    clipped = np.clip(probability.astype(np.float64), 1e-12, 1.0 - 1e-12)
    logits = special.logit(clipped) / calibration.temperature + calibration.shift
    return np.asarray(special.expit(logits), np.float32)
