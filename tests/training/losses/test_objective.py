"""What the first phase minimises, from terms whose value is known."""

import math

import pytest
import torch

from models.networks.latent import DiagonalGaussian
from training.config import Objective
from training.losses.calibrated_entropy import calibrated_entropy_loss, entropy_loss
from training.losses.coherence import coherence_loss
from training.losses.objective import Weights, free_nats_divergence, generator_objective
from training.losses.structure import structure_loss

LOGITS, MASK = torch.zeros(2, 1, 8, 8), torch.ones(2, 1, 8, 8)
CLEAR = torch.ones(2, 1, 8, 8)
CONSTANTS = Objective(coherence_scale=1.0, free_nats=0.0)
POSTERIOR = DiagonalGaussian(torch.full((2, 4), 0.5), torch.full((2, 4), -1.0))


def test_the_divergence_is_summed_over_the_latent_and_averaged_over_the_batch():
    # KL(N(m, 1) || N(0, 1)) = m^2 / 2 per dimension: 3 * 2 for the first image, 0 for the second.
    posterior = DiagonalGaussian(torch.tensor([[2.0] * 3, [0.0] * 3]), torch.zeros(2, 3))
    terms = generator_objective(LOGITS, MASK, posterior, CLEAR, None, Weights(1.0, 0.0, 0.0), CONSTANTS)
    assert terms["kl"].item() == pytest.approx(3.0)


@pytest.mark.parametrize("weights", [Weights(0.0, 0.0, 0.0), Weights(0.01, 0.3, 0.01), Weights(1.0, 2.0, 3.0)])
def test_the_loss_is_the_weighted_sum_of_the_terms(weights):
    logits, transmission, total = torch.randn(2, 1, 8, 8), torch.rand(2, 1, 8, 8), torch.rand(2, 1, 8, 8) * math.log(2)
    terms = generator_objective(logits, MASK, POSTERIOR, transmission, total, weights, CONSTANTS)
    expected = {
        "structure": structure_loss(logits, MASK),
        "kl": POSTERIOR.kl_to_standard_normal().sum(dim=1).mean(),
        "coherence": coherence_loss(torch.sigmoid(logits), transmission),
        "entropy": calibrated_entropy_loss(logits, total),
    }
    for name, value in terms.items():
        if name != "loss":
            assert value.item() == pytest.approx(expected[name].item(), rel=1e-6)
    weighted = zip((1.0, *weights[:3]), expected.values(), strict=True)
    assert terms["loss"].item() == pytest.approx(sum(w * value.item() for w, value in weighted), rel=1e-6)


def test_a_term_without_a_weight_is_not_computed():
    terms = generator_objective(LOGITS, MASK, POSTERIOR, CLEAR, None, Weights(0.1, 0.0, 0.0), CONSTANTS)
    assert set(terms) == {"loss", "structure", "kl"}


def test_the_plain_entropy_needs_no_estimator_and_the_calibrated_one_says_that_it_does():
    weights = Weights(0.0, 0.0, 0.01)
    plain = generator_objective(
        LOGITS, MASK, POSTERIOR, CLEAR, None, weights, CONSTANTS.model_copy(update={"entropy": "plain"})
    )
    assert plain["entropy"].item() == pytest.approx(entropy_loss(LOGITS).item())
    with pytest.raises(ValueError, match="calibrated entropy needs the estimator's total uncertainty; found none"):
        generator_objective(LOGITS, MASK, POSTERIOR, CLEAR, None, weights, CONSTANTS)


def test_the_coherence_is_computed_at_a_fraction_of_the_size():
    # Blocks of 10 x 10 of one value each: reduced to a tenth, the very same picture of 8 x 8 pixels.
    logits, transmission = torch.randn(2, 1, 8, 8), torch.rand(2, 1, 8, 8)
    large_logits, large_transmission = (torch.kron(values, torch.ones(10, 10)) for values in (logits, transmission))
    mask = torch.ones(2, 1, 80, 80)
    tenth = CONSTANTS.model_copy(update={"coherence_scale": 0.1})
    terms = generator_objective(large_logits, mask, POSTERIOR, large_transmission, None, Weights(0.0, 1.0, 0.0), tenth)
    assert terms["coherence"].item() == pytest.approx(
        coherence_loss(torch.sigmoid(logits), transmission).item(), rel=1e-5
    )


def test_the_first_nats_of_each_dimension_are_free_and_push_nowhere():
    # Divergences of 2 and of 1/8 nats; half a nat is free.
    mean = torch.tensor([[2.0, 0.5], [2.0, 0.5]], requires_grad=True)
    held = free_nats_divergence(DiagonalGaussian(mean, torch.zeros(2, 2)), free_nats=0.5)
    assert held.item() == pytest.approx(2.0 + 0.5)
    held.backward()
    assert mean.grad is not None
    assert mean.grad[:, 0].tolist() == [1.0, 1.0]
    assert mean.grad[:, 1].tolist() == [0.0, 0.0]


def test_without_free_nats_the_held_divergence_is_that_of_eq_2():
    assert free_nats_divergence(POSTERIOR, 0.0).item() == pytest.approx(
        POSTERIOR.kl_to_standard_normal().sum(dim=1).mean().item()
    )


def test_boxes_have_their_weight_on_views_that_have_them():
    known = torch.ones(2, 1, 8, 8)
    known[0, :, 2:6, 2:6] = 0.0
    weights = Weights(0.0, 0.0, 0.0, boxes=0.5)
    mask = torch.zeros_like(MASK)
    terms = generator_objective(LOGITS, mask, POSTERIOR, CLEAR, None, weights, CONSTANTS, known)
    assert terms["boxes"].item() == pytest.approx(math.log(0.7 / 0.5) / 2)
    assert terms["loss"].item() == pytest.approx(terms["structure"].item() + 0.5 * terms["boxes"].item())
