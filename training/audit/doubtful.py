"""Masks that a model finds unlikely: where labels may be wrong, or the model is."""

import numpy as np

from models.geometry import Map, fit_map
from training.audit.survey import Surveyed
from training.data.frames import BOXED, SCRIBBLED, load_image, load_mask
from training.evaluation.predictor import Predictor, predict_frame

_LEAST = 1e-4
"""Probabilities are held this far from 0 and 1, so that one sure pixel does not outweigh a frame."""


def surprise(probability: Map, mask: Map) -> float:
    """Mean over pixels of -log p(y), in nats, >= 0: (h, w) in [0, 1] and (h, w) of 0.0 and 1.0."""
    held = np.clip(probability.astype(np.float64), _LEAST, 1.0 - _LEAST)
    return float(-np.where(mask >= 0.5, np.log(held), np.log(1.0 - held)).mean())


def doubtful_masks(surveyed: list[Surveyed], predictor: Predictor, most: int) -> list[tuple[float, Surveyed]]:
    """The frames whose masks surprise a model most, the most surprising first, with their surprise in nats."""
    known = [each for each in surveyed if not each.fault and each.frame.kind not in (BOXED, SCRIBBLED)]
    scored = [(_surprise(each, predictor), each) for each in known]
    return sorted(scored, key=lambda pair: -pair[0])[:most]


def _surprise(each: Surveyed, predictor: Predictor) -> float:
    image = load_image(each.frame.image)
    maps = predict_frame(predictor, image)
    return surprise(maps.probability, fit_map(load_mask(each.frame, image.shape), predictor.size_px))
