"""Networks that learn by one optimiser: their loss terms, their rate at a step, the step, and the moving average that ships.

Rates are functions of the step alone, so that resuming needs no scheduler state.
"""

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from training.config import Optimiser
from training.data.batches import Batch
from training.engine.step import optimise, set_learning_rate, to_numbers

Terms = Callable[[nn.Module, Batch, int], dict[str, Tensor]]
"""(module, batch, step) -> loss terms, `loss` among them."""


@dataclass(slots=True)
class Learner:
    """A module under optimisation.

    Attributes:
        name: What its optimiser is called in a checkpoint.
        module: What learns.
        terms: Its loss.
        settings: Of the optimiser.
        optimiser: Over the module's parameters.
        every: It learns at each step of which this is a divisor, the last of `every` steps.
    """

    name: str
    module: nn.Module
    terms: Terms
    settings: Optimiser
    optimiser: torch.optim.Optimizer
    every: int = 1

    def set_up(self, fabric: Fabric) -> None:
        """Move to the device and let Fabric take care of precision."""
        module, optimiser = fabric.setup(self.module, self.optimiser)
        self.module, self.optimiser = module.train(), optimiser

    def step(self, fabric: Fabric, parts: Sequence[Batch], step: int, steps: int) -> dict[str, float]:
        """Learn from the parts of a batch if it is this learner's turn; its mean loss terms and rate, or nothing.

        One part after the other is computed, so that memory holds one; processes exchange their gradients at the last.

        Raises:
            NonFiniteLossError: A loss term is NaN or infinite; nothing was learnt.
        """
        if (step + 1) % self.every:
            return {}
        factor = rate_factor(self.settings, step, steps)
        set_learning_rate(self.optimiser, factor)
        found = []
        for done, part in enumerate(parts, start=1):
            with fabric.no_backward_sync(self.module, enabled=done < len(parts)):  # type: ignore[arg-type]  # `set_up` wrapped it
                terms = self.terms(self.module, part, step)
                found.append(to_numbers(terms, step, part))
                fabric.backward(terms["loss"] / len(parts))
        optimise(fabric, self.optimiser, self.module, self.settings.clip_norm)
        means = {name: statistics.fmean(numbers[name] for numbers in found) for name in found[0]}
        return means | {"learning_rate": self.settings.learning_rate * factor}


def rate_factor(settings: Optimiser, step: int, steps: int) -> float:
    """What the learning rates are multiplied with at a step of so many: a linear warm-up to 1, then the decay to `final_fraction`.

    `cosine` falls all along and is there when the last step is done; `step` is there from `decay_step` on (paper: 0.8 after epoch 40).
    """
    warm, final = linear_warmup(step + 1, settings.warmup_steps), settings.final_fraction
    if settings.decay == "step":
        return warm * (final if step >= settings.decay_step else 1.0)
    progress = max(0, step - settings.warmup_steps) / max(1, steps - settings.warmup_steps)
    return warm * (final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * progress)))


def build_optimiser(groups: Iterable[dict[str, object]], settings: Optimiser) -> torch.optim.Optimizer:
    """The optimiser of the configuration over `training.engine.step.parameter_groups`."""
    algorithm = torch.optim.Adam if settings.algorithm == "adam" else torch.optim.AdamW
    return algorithm(list(groups))


def linear_warmup(step: int, warmup_steps: int) -> float:
    """0 at the first step, 1 from `warmup_steps` on."""
    return min(1.0, step / warmup_steps) if warmup_steps else 1.0


def moving_average(module: nn.Module, decay: float) -> AveragedModel:
    """An exponential moving average of a module's weights and buffers.

    The decay starts low, min(decay, (1 + n) / (10 + n)) at the n-th update, so that the first steps do not linger.
    """
    return AveragedModel(module, multi_avg_fn=_update(decay), use_buffers=True)


def _update(decay: float) -> Callable[[Sequence[Tensor], Sequence[Tensor], Tensor | int], None]:
    @torch.no_grad()
    def update(averaged: Sequence[Tensor], current: Sequence[Tensor], count: Tensor | int) -> None:
        weight = 1.0 - min(decay, (1 + int(count)) / (10 + int(count)))
        for mean, value in zip(averaged, current, strict=True):
            mean.lerp_(value, weight) if mean.is_floating_point() else mean.copy_(value)

    return update
