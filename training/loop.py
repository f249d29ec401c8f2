"""One optimisation step of either phase; returns numbers, prints nothing."""

import math
from collections.abc import Iterable

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from models.networks.segmenter import SmokeSegmenter
from models.networks.uncertainty import decompose
from training.data.batches import Batch
from training.losses.estimator import estimator_loss
from training.losses.objective import generator_objective
from training.sampling import sample_probabilities


class NonFiniteLossError(RuntimeError):
    """A loss term became NaN or infinite; the message names the term and the files of the batch."""


class GeneratorPhase(nn.Module):
    """What the first phase optimises: (batch, weight of the divergence) -> loss terms of the generator and the inference model."""

    def __init__(self, segmenter: SmokeSegmenter, *, freeze_encoder_norm: bool) -> None:
        super().__init__()
        self.normalise = segmenter.normalise
        self.inference_model = segmenter.inference_model
        self.generator = segmenter.generator
        self._freeze_encoder_norm = freeze_encoder_norm

    def forward(self, image: Tensor, mask: Tensor, kl_weight: float) -> dict[str, Tensor]:
        """Images (batch, 3, h, w) uint8, masks (batch, 1, h, w) -> scalars by name, `loss` among them."""
        normalised = self.normalise(image).contiguous(memory_format=torch.channels_last)
        posterior = self.inference_model(normalised)
        logits = self.generator(normalised, posterior.sample())
        return generator_objective(logits, mask, posterior, kl_weight)

    def train(self, mode: bool = True) -> "GeneratorPhase":
        """Set the mode; batch statistics of the encoder stay those of ImageNet where they are frozen."""
        super().train(mode)
        if self._freeze_encoder_norm:
            for module in self.generator.backbone.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self


class EstimatorPhase(nn.Module):
    """What the second phase optimises: g_gamma towards Monte Carlo targets of the frozen generator (eq. 6)."""

    def __init__(self, segmenter: SmokeSegmenter, samples: int) -> None:
        super().__init__()
        self.estimator = segmenter.estimator
        self._segmenter = [segmenter]  # in a list, so that the frozen networks are no part of this module
        self._samples = samples

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Images (batch, 3, h, w) uint8 -> scalars by name, `loss` among them."""
        segmenter = self._segmenter[0]
        with torch.no_grad():
            normalised = segmenter.normalise(image).contiguous(memory_format=torch.channels_last)
            samples = sample_probabilities(segmenter.generator, segmenter.inference_model, normalised, self._samples)
            sampled = decompose(samples)
            deployed = torch.sigmoid(segmenter.generator(normalised, segmenter.inference_model(normalised).mean))
        estimated = self.estimator(normalised, deployed)
        return {
            "loss": estimator_loss(estimated, sampled),
            "epistemic_error": (estimated.epistemic - sampled.epistemic).abs().mean(),
        }


def optimise(
    fabric: Fabric, optimiser: torch.optim.Optimizer, module: nn.Module, terms: dict[str, Tensor], clip_norm: float
) -> None:
    """One step down the gradient of `terms["loss"]`, its norm clipped."""
    optimiser.zero_grad(set_to_none=True)
    fabric.backward(terms["loss"])
    fabric.clip_gradients(module, optimiser, max_norm=clip_norm)
    optimiser.step()


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
        own = [p for p in module.parameters() if (id(p) in in_encoder) == of_encoder]
        for decayed, decay in ((True, weight_decay), (False, 0.0)):
            chosen = [p for p in own if (p.ndim > 1) == decayed]
            if chosen:
                groups.append({"params": chosen, "base_rate": base_rate, "lr": base_rate, "weight_decay": decay})
    return groups
