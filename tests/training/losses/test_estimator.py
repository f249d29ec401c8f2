"""The consistency loss by hand, and who it teaches."""

import pytest
import torch

from models.networks.uncertainty import Uncertainty
from training.losses.estimator import estimator_loss


def doubt(total: float, aleatoric: float, *, taught: bool = False) -> Uncertainty:
    values = [torch.full((2, 1, 3, 3), value, requires_grad=taught) for value in (total, aleatoric)]
    return Uncertainty(*values, values[0] - values[1])


def test_it_is_half_the_sum_of_both_squared_errors():
    assert estimator_loss(doubt(0.5, 0.3), doubt(0.1, 0.2)).item() == pytest.approx(0.5 * (0.4**2 + 0.1**2))


def test_agreement_costs_nothing():
    assert estimator_loss(doubt(0.5, 0.3), doubt(0.5, 0.3)).item() == 0.0


def test_the_estimate_is_taught_and_the_target_is_not():
    estimated, sampled = doubt(0.5, 0.3, taught=True), doubt(0.1, 0.2, taught=True)
    estimator_loss(estimated, sampled).backward()
    assert estimated.total.grad.sum().item() == pytest.approx(0.4)
    assert estimated.aleatoric.grad.sum().item() == pytest.approx(0.1)
    assert sampled.total.grad is None
    assert sampled.aleatoric.grad is None
