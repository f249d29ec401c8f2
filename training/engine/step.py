"""One optimisation step of either phase; returns numbers, prints nothing."""

import math
from collections.abc import Iterable, Sequence

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from models.networks.generator import MODULATION
from models.networks.latent import DiagonalGaussian
from models.networks.segmenter import SmokeSegmenter
from models.networks.uncertainty import decompose
from training.config import Objective
from training.data.batches import Batch
from training.engine.monte_carlo import decode_samples, in_evaluation
from training.losses.estimator import estimator_loss
from training.losses.objective import Weights, generator_objective
from training.losses.outlines import move_outlines


class NonFiniteLossError(RuntimeError):
    """A loss term became NaN or infinite; the message names the term and the files of the batch."""


class GeneratorLoss(nn.Module):
    """What the generator and the inference model learn from: a batch and the weights of a step -> loss terms (eq. 11).

    Args:
        segmenter: Whose networks learn; the estimator only tells U_p, which softens the entropy.
        constants: Of the objective.
        freeze_encoder_norm: Keep the encoder's batch statistics.
        frozen_stride: Keep the encoder's weights up to its feature at this stride; 0 keeps none.
        modulation_only: Keep all that is not z's modulation, statistics included, and drop nothing out.
    """

    def __init__(
        self,
        segmenter: SmokeSegmenter,
        constants: Objective,
        *,
        freeze_encoder_norm: bool,
        frozen_stride: int = 0,
        modulation_only: bool = False,
    ) -> None:
        super().__init__()
        self.normalise = segmenter.normalise
        self.inference_model = segmenter.inference_model
        self.generator = segmenter.generator
        self._estimator = [segmenter.estimator]  # in a list, so that it is no part of this module
        self._constants = constants
        self._freeze_encoder_norm = freeze_encoder_norm
        self._modulation_only = modulation_only
        for parameter in self.generator.backbone.parameters_up_to(frozen_stride):
            parameter.requires_grad_(False)
        for name, parameter in self.named_parameters():
            if modulation_only and not name.startswith(MODULATION):
                parameter.requires_grad_(False)

    def forward(
        self, image: Tensor, mask: Tensor, transmission: Tensor, known: Tensor, weights: Weights
    ) -> dict[str, Tensor]:
        """Images (batch, 3, h, w) uint8, masks, transmission and what is known (batch, 1, h, w) -> scalars by name, `loss` among them.

        In mixed precision the networks answer in 16 bits, of which bfloat16 leaves eight to a probability: losses are of 32. There
        Fabric has rounded masks and transmission as well, by at most 0.002.
        """
        normalised = self.normalise(image).contiguous(memory_format=torch.channels_last)
        posterior = DiagonalGaussian(*(values.float() for values in self.inference_model(normalised)))
        latent = posterior.sample()
        logits = self.generator(normalised, latent).float()
        total = self._total(normalised, logits) if weights.entropy else None
        truth, haze, known = mask.float(), transmission.float(), known.float()
        if self._constants.outline_spread:
            drawn = ((latent - posterior.mean) / posterior.std)[:, 0].detach()
            truth = move_outlines(truth, known, drawn, self._constants.outline_spread)
        return generator_objective(logits, truth, posterior, haze, total, weights, self._constants, known)

    @torch.no_grad()
    def _total(self, image: Tensor, logits: Tensor) -> Tensor:
        """U_p of g_gamma at this sample, (batch, 1, h, w)."""
        estimator = self._estimator[0]
        with in_evaluation(estimator):
            total: Tensor = estimator(image, torch.sigmoid(logits)).total
        return total

    def train(self, mode: bool = True) -> "GeneratorLoss":
        """Set the mode; batch statistics of the encoder stay where they are frozen, all of them where the modulation alone learns."""
        super().train(mode and not self._modulation_only)
        if self._freeze_encoder_norm:
            for module in self.generator.backbone.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self


class EstimatorLoss(nn.Module):
    """What g_gamma learns from: Monte Carlo targets of a generator that this module leaves as it is (eq. 6).

    Of each two images one comes with the deployed s and one with a sampled one: g_gamma is deployed beside the first, and L_c asks it
    at the second.

    Args:
        segmenter: Whose estimator learns.
        samples: B of eq. 3, of weights by dropout and of z.
        members: Other trained networks. Where there are any, P(theta|D) of eq. 3 is their ensemble with this one (Lakshminarayanan et
            al. 2017, «Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles»), without dropout; each member's
            answer is its mean over `samples` z, so that what z leaves open is aleatoric.
    """

    def __init__(self, segmenter: SmokeSegmenter, samples: int, members: Sequence[SmokeSegmenter] = ()) -> None:
        super().__init__()
        self.estimator = segmenter.estimator
        self._segmenter = [segmenter]  # in a list, so that the frozen networks are no part of this module
        self._samples = samples
        self._members = list(members)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Images (batch, 3, h, w) uint8 -> scalars by name, `loss` among them."""
        normalised = self._segmenter[0].normalise(image).contiguous(memory_format=torch.channels_last)
        deployed, drawn = self._predict(normalised)
        sampled = decompose(self._ask_ensemble(normalised) if self._members else drawn)
        shown = deployed.clone()
        shown[1::2] = drawn[0, 1::2]
        estimated = self.estimator(normalised, shown)
        return {
            "loss": estimator_loss(estimated, sampled),
            "epistemic_error": (estimated.epistemic - sampled.epistemic).abs().mean(),
        }

    @torch.no_grad()
    def _predict(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised images -> s as deployed, (batch, 1, h, w), and Monte Carlo samples of it, (samples, batch, 1, h, w)."""
        generator, inference_model = self._segmenter[0].generator, self._segmenter[0].inference_model
        with in_evaluation(generator, inference_model):
            encoding, posterior = generator.encode(image), inference_model(image)
            deployed = torch.sigmoid(generator.decode(encoding, posterior.mean).float())
            return deployed, decode_samples(generator, encoding, posterior, 1 if self._members else self._samples)

    def _ask_ensemble(self, image: Tensor) -> Tensor:
        """Normalised images -> P_theta(y|x) of this network and of each member, (1 + members, batch, 1, h, w)."""
        ensemble = [self._segmenter[0], *self._members]
        return torch.stack([_mean_over_latents(own, image, self._samples) for own in ensemble])


@torch.no_grad()
def _mean_over_latents(segmenter: SmokeSegmenter, image: Tensor, samples: int) -> Tensor:
    """P_theta(y|x) of one network, without dropout: the mean over z of its probability, (batch, 1, h, w) of normalised images."""
    generator, inference_model = segmenter.generator, segmenter.inference_model
    with in_evaluation(generator, inference_model):
        encoding, posterior = generator.encode(image), inference_model(image)
        latents = [posterior.sample() for _ in range(samples)]
        return torch.stack([torch.sigmoid(generator.decode(encoding, z).float()) for z in latents]).mean(dim=0)


def optimise(fabric: Fabric, optimiser: torch.optim.Optimizer, module: nn.Module, clip_norm: float) -> None:
    """One step down the gradient that backward passes have summed up, its norm clipped where `clip_norm` is not 0; it is gone then.

    Gradients that are not finite are left to the loss scaler of 16-bit precision, which skips such a step and lowers its scale; in
    other precisions the loss was seen to be finite before.
    """
    if clip_norm:
        fabric.clip_gradients(module, optimiser, max_norm=clip_norm, error_if_nonfinite=False)
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)


def to_numbers(terms: dict[str, Tensor], step: int, batch: Batch) -> dict[str, float]:
    """Loss terms as numbers.

    Raises:
        NonFiniteLossError: One of them is NaN or infinite.
    """
    numbers = {name: float(value.detach()) for name, value in terms.items()}
    broken = [name for name, value in numbers.items() if not math.isfinite(value)]
    if broken:
        raise NonFiniteLossError(f"step {step}: {', '.join(broken)} is not finite; batch: {', '.join(batch.files)}")
    return numbers


def set_learning_rate(optimiser: torch.optim.Optimizer, factor: float) -> None:
    """Scale each parameter group's `base_rate` into its rate."""
    for group in optimiser.param_groups:
        group["lr"] = group["base_rate"] * factor


def parameter_groups(
    module: nn.Module, encoder: Iterable[nn.Parameter], encoder_rate: float, rate: float, weight_decay: float
) -> list[dict[str, object]]:
    """The encoder's parameters at their own rate, the others at theirs; no decay on biases and normalisation."""
    in_encoder = {id(parameter) for parameter in encoder}
    groups: list[dict[str, object]] = []
    for of_encoder, base_rate in ((True, encoder_rate), (False, rate)):
        own = [p for p in module.parameters() if p.requires_grad and (id(p) in in_encoder) == of_encoder]
        for decayed, decay in ((True, weight_decay), (False, 0.0)):
            chosen = [p for p in own if (p.ndim > 1) == decayed]
            if chosen:
                groups.append({"params": chosen, "base_rate": base_rate, "lr": base_rate, "weight_decay": decay})
    return groups
