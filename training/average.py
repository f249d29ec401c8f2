"""A moving average of weights and buffers: what is validated and shipped."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


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
