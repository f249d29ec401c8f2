"""What a run looks at between epochs: the scores of the averaged model, the state of z, and a picture."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from models.geometry import RGB, fit
from models.networks.segmenter import SmokeSegmenter
from training.data.frames import REAL_SMOKE, Frame, evenly_spaced, load_image
from training.engine.monte_carlo import in_evaluation
from training.evaluation.pictures import answer_panel
from training.evaluation.predictor import torch_predictor
from training.evaluation.scores import Summary, choose_level, score_frames, summarise

_SHOWN, _SAMPLED = 3, 12
_MINIMUM_REGION = 0.0002
_ACTIVE_VARIANCE = 0.01
"""Variance over images from which on a unit is active (Burda, Grosse and Salakhutdinov 2016, «Importance Weighted Autoencoders»)."""
_LEAST_SHARE = 0.01
_SAMPLES = 8


class LatentActivity(NamedTuple):
    """What z carries.

    Attributes:
        divergence: KL(P_omega(z|x) || N(0, I)) in nats, summed over z, mean over images.
        active_units: Dimensions whose posterior mean varies over images by more than 0.01 in variance.
        latent_dim: How many there are.
        logit_std: Standard deviation of a pixel's logit when z alone is drawn anew, mean over pixels.
        logit_spread: Standard deviation of the logits over all pixels, to compare with.
    """

    divergence: float
    active_units: int
    latent_dim: int
    logit_std: float
    logit_spread: float

    @property
    def dead(self) -> bool:
        """No unit tells images apart, or the logits do not listen: z moves them by less than a hundredth of their spread."""
        return self.active_units == 0 or self.logit_std < _LEAST_SHARE * self.logit_spread

    def __str__(self) -> str:
        told = (
            f"divergence {self.divergence:.3g} nats, {self.active_units} of {self.latent_dim} units active, "
            f"logits vary by {self.logit_std:.2g} of {self.logit_spread:.2g}"
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
    scores = score_frames(predict, frames, size_px, _MINIMUM_REGION)
    summary = summarise(scores, choose_level(scores, false_alarms))
    smoke = [frame for frame in frames if frame.kind == REAL_SMOKE]
    shown = [fit(load_image(frame.image), size_px) for frame in evenly_spaced(smoke, _SHOWN)]
    picture = np.concatenate([answer_panel(frame, predict(frame), summary.threshold) for frame in shown])
    sampled = [fit(load_image(frame.image), size_px) for frame in evenly_spaced(frames, _SAMPLED)]
    return Validation(summary, latent_activity(segmenter, sampled), picture)


@torch.no_grad()
def latent_activity(segmenter: SmokeSegmenter, frames: Sequence[RGB]) -> LatentActivity:
    """Activity of z over frames, dropout off; torch's random state is left as it was, and always the same z are drawn.

    Args:
        segmenter: Whose z.
        frames: Each fitted to the model's square, (size, size, 3) uint8; at least two.
    """
    with in_evaluation(segmenter), torch.random.fork_rng():
        torch.manual_seed(0)
        told = [_one(segmenter, frame) for frame in frames]
    mean, divergence, logit_std, logits = (torch.stack(values) for values in zip(*told, strict=True))
    return LatentActivity(
        divergence=float(divergence.mean()),
        active_units=int((mean.var(dim=0) > _ACTIVE_VARIANCE).sum()),
        latent_dim=mean.shape[1],
        logit_std=float(logit_std.mean()),
        logit_spread=float(logits.std()),
    )


def _one(segmenter: SmokeSegmenter, frame: RGB) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Posterior mean (latent_dim,), divergence (), mean deviation of a logit (), and the logits of z's mean (1, 1, h, w)."""
    batch = torch.from_numpy(np.ascontiguousarray(frame))[None].permute(0, 3, 1, 2).to(segmenter.temperature.device)
    image = segmenter.normalise(batch)
    posterior = segmenter.inference_model(image)
    encoding = segmenter.generator.encode(image)
    drawn = torch.stack([segmenter.generator.decode(encoding, posterior.sample()) for _ in range(_SAMPLES)])
    divergence = posterior.kl_to_standard_normal().sum()
    return posterior.mean[0], divergence, drawn.std(dim=0).mean(), segmenter.generator.decode(encoding, posterior.mean)
