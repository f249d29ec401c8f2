"""Networks that learn by one optimiser: their loss terms, their rate at a step, and the step."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from training.config import Optimiser
from training.data.batches import Batch
from training.loop import optimise, set_learning_rate, to_numbers
from training.schedule import learning_rate_factor, step_factor

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

    def step(self, fabric: Fabric, batch: Batch, step: int, steps: int) -> dict[str, float]:
        """Learn from a batch if it is this learner's turn; its loss terms and rate, or nothing.

        Raises:
            NonFiniteLossError: A loss term is NaN or infinite; nothing was learnt.
        """
        if (step + 1) % self.every:
            return {}
        factor = rate_factor(self.settings, step, steps)
        set_learning_rate(self.optimiser, factor)
        terms = self.terms(self.module, batch, step)
        numbers = to_numbers(terms, step, batch)
        optimise(fabric, self.optimiser, self.module, terms, self.settings.clip_norm)
        return numbers | {"learning_rate": self.settings.learning_rate * factor}


def rate_factor(settings: Optimiser, step: int, steps: int) -> float:
    """What the learning rates are multiplied with at a step."""
    if settings.decay == "step":
        return step_factor(step, settings.warmup_steps, settings.decay_step, settings.final_fraction)
    return learning_rate_factor(step, steps, settings.warmup_steps, settings.final_fraction)


def build_optimiser(groups: Iterable[dict[str, object]], settings: Optimiser) -> torch.optim.Optimizer:
    """The optimiser of the configuration over `training.loop.parameter_groups`."""
    algorithm = torch.optim.Adam if settings.algorithm == "adam" else torch.optim.AdamW
    return algorithm(list(groups))
