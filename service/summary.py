"""The numbers of one frame: is there smoke, how much, how doubtful. All at the model's size."""

from dataclasses import dataclass

import numpy as np

from models.frame import Mask, regions
from service.errors import InferenceFailed
from service.prediction import Prediction


@dataclass(frozen=True, slots=True)
class Smoke:
    """What was found.

    Attributes:
        detected: There is a region of at least the manifest's `minimum_region`.
        area_fraction: Smoke pixels over all pixels, in [0, 1], regions of any size counted.
        max_probability: Of any pixel, in [0, 1].
    """

    detected: bool
    area_fraction: float
    max_probability: float


@dataclass(frozen=True, slots=True)
class Doubt:
    """Mean uncertainties over a set of pixels, in nats."""

    total: float
    aleatoric: float
    epistemic: float


@dataclass(frozen=True, slots=True)
class Summary:
    """Smoke, and doubt over the whole frame and over the smoke pixels; the latter is None where there are none."""

    smoke: Smoke
    frame_doubt: Doubt
    smoke_doubt: Doubt | None


def summarise(prediction: Prediction, threshold: float, minimum_region: float) -> Summary:
    """Sum a prediction up.

    Args:
        prediction: Maps of (size, size).
        threshold: Probability from which on a pixel is smoke.
        minimum_region: Smallest region that counts, as a fraction of the frame.

    Raises:
        InferenceFailed: A map holds something that is no number.
    """
    mask: Mask = prediction.probability >= threshold
    found, _ = regions(mask, minimum_region)
    smoke = Smoke(bool(found), float(mask.mean()), float(prediction.probability.max()))
    everywhere = _doubt(prediction, np.ones_like(mask))
    if not np.isfinite([smoke.max_probability, everywhere.total, everywhere.aleatoric, everywhere.epistemic]).all():
        raise InferenceFailed("the model answered with something that is no number")
    return Summary(smoke, everywhere, _doubt(prediction, mask) if mask.any() else None)


def _doubt(prediction: Prediction, pixels: Mask) -> Doubt:
    """Means in double precision: a float32 sum over many pixels drifts."""
    return Doubt(*(float(values[pixels].mean(dtype=np.float64)) for values in _uncertainties(prediction)))


def _uncertainties(prediction: Prediction) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return prediction.total, prediction.aleatoric, prediction.epistemic
