"""What a run looks at between epochs: the scores of the averaged model, the state of z, and a picture."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from models.geometry import RGB, fit
from models.manifest import MINIMUM_REGION
from models.networks.segmenter import SmokeSegmenter
from training.data.folders import evenly_spaced
from training.data.frames import REAL_SMOKE, Frame, load_image
from training.engine.monte_carlo import in_evaluation
from training.evaluation.pictures import answer_panel
from training.evaluation.predictor import Predictor, torch_predictor
from training.evaluation.scores import Summary, choose_level, score_frames, summarise

_SHOWN, _SAMPLED = 3, 12
_ACTIVE_VARIANCE = 0.01
"""Variance over images from which on a unit is active (Burda, Grosse and Salakhutdinov 2016, «Importance Weighted Autoencoders»)."""
_LEAST_RATIO = 1.1
_FAR = 1.5
"""Standard deviations of the prior, to either side, that a dimension of z is moved."""


class LatentActivity(NamedTuple):
    """What z carries.

    Attributes:
        divergence: KL(P_omega(z|x) || N(0, I)) in nats, summed over z, mean over images.
        active_units: Dimensions whose posterior mean varies over images by more than 0.01 in variance.
        latent_dim: How many there are.
        area_ratio: How many times larger the predicted smoke of all images is at one end of a dimension than at the other, of the
            dimension that changes it most; 1 where no dimension changes it.
    """

    divergence: float
    active_units: int
    latent_dim: int
    area_ratio: float

    @property
    def dead(self) -> bool:
        """No unit tells images apart, or the mask does not listen: logits may vary with z where no pixel changes sides."""
        return self.active_units == 0 or self.area_ratio < _LEAST_RATIO

    def __str__(self) -> str:
        told = (
            f"divergence {self.divergence:.3g} nats, {self.active_units} of {self.latent_dim} units active, "
            f"the smoke's area varies {self.area_ratio:.2f} times"
        )
        return f"z is dead: {told}" if self.dead else f"z: {told}"


class Validation(NamedTuple):
    """Scores, what z carries, and (h, w, 3) uint8: a few frames with mask, probability and the three uncertainties."""

    summary: Summary
    latent: LatentActivity
    picture: RGB


def validate(segmenter: SmokeSegmenter, frames: Sequence[Frame], size_px: int, false_alarms: float) -> Validation:
    """Score the deployed module.

    Args:
        segmenter: In evaluation mode.
        frames: Of `val`, some with smoke.
        size_px: Side of the model's square.
        false_alarms: Image-level rate that the threshold keeps where it can.
    """
    predict = torch_predictor(segmenter)
    scores = score_frames(Predictor(predict, size_px, MINIMUM_REGION, None, "averaged networks"), frames)
    summary = summarise(scores, choose_level(scores, false_alarms))
    smoke = [frame for frame in frames if frame.kind == REAL_SMOKE]
    shown = [fit(load_image(frame.image), size_px) for frame in evenly_spaced(smoke, _SHOWN)]
    picture = np.concatenate([answer_panel(frame, predict(frame), summary.threshold) for frame in shown])
    sampled = [fit(load_image(frame.image), size_px) for frame in evenly_spaced(frames, _SAMPLED)]
    return Validation(summary, latent_activity(segmenter, sampled), picture)


@torch.no_grad()
def latent_activity(segmenter: SmokeSegmenter, frames: Sequence[RGB]) -> LatentActivity:
    """Activity of z over frames, dropout off.

    Args:
        segmenter: Whose z.
        frames: Each fitted to the model's square, (size, size, 3) uint8; at least two.
    """
    with in_evaluation(segmenter):
        told = [_one(segmenter, frame) for frame in frames]
    mean, divergence, areas = (torch.stack(values) for values in zip(*told, strict=True))
    below, above = areas.sum(dim=0) + 1.0
    return LatentActivity(
        divergence=float(divergence.mean()),
        active_units=int((mean.var(dim=0) > _ACTIVE_VARIANCE).sum()),
        latent_dim=mean.shape[1],
        area_ratio=float(torch.maximum(above / below, below / above).max()),
    )


def _one(segmenter: SmokeSegmenter, frame: RGB) -> tuple[Tensor, Tensor, Tensor]:
    """Posterior mean (latent_dim,), divergence (), and the pixels of smoke at both ends of each dimension (2, latent_dim)."""
    batch = torch.from_numpy(np.ascontiguousarray(frame))[None].permute(0, 3, 1, 2).to(segmenter.temperature.device)
    image = segmenter.normalise(batch)
    posterior = segmenter.inference_model(image)
    encoding = segmenter.generator.encode(image)

    def area(dimension: int, value: float) -> Tensor:
        latent = posterior.mean.clone()
        latent[:, dimension] = value
        return (segmenter.generator.decode(encoding, latent) > 0).sum().float()

    dimensions = range(posterior.mean.shape[1])
    areas = torch.stack([torch.stack([area(dimension, end) for dimension in dimensions]) for end in (-_FAR, _FAR)])
    return posterior.mean[0], posterior.kl_to_standard_normal().sum(), areas
