"""What the first phase minimises, from terms whose value is known."""

import pytest
import torch

from models.networks.latent import DiagonalGaussian
from training.losses.objective import generator_objective
from training.losses.structure import structure_loss

LOGITS, MASK = torch.zeros(2, 1, 8, 8), torch.ones(2, 1, 8, 8)


def test_the_divergence_is_summed_over_the_latent_and_averaged_over_the_batch():
    # KL(N(m, 1) || N(0, 1)) = m^2 / 2 per dimension: 3 * 2 for the first image, 0 for the second.
    posterior = DiagonalGaussian(torch.tensor([[2.0] * 3, [0.0] * 3]), torch.zeros(2, 3))
    assert generator_objective(LOGITS, MASK, posterior, kl_weight=1.0)["kl"].item() == pytest.approx(3.0)


@pytest.mark.parametrize("weight", [0.0, 0.01, 1.0])
def test_the_loss_is_the_structure_loss_and_the_weighted_divergence(weight):
    posterior = DiagonalGaussian(torch.full((2, 4), 0.5), torch.full((2, 4), -1.0))
    terms = generator_objective(LOGITS, MASK, posterior, kl_weight=weight)
    assert terms["structure"].item() == pytest.approx(structure_loss(LOGITS, MASK).item())
    assert terms["loss"].item() == pytest.approx(terms["structure"].item() + weight * terms["kl"].item())
