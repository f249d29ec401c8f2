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
CLEAR = KNOWN = torch.ones(2, 1, 8, 8)
CONSTANTS = Objective(coherence_scale=1.0, free_nats=0.0)
POSTERIOR = DiagonalGaussian(torch.full((2, 4), 0.5), torch.full((2, 4), -1.0))


def test_the_divergence_is_summed_over_the_latent_and_averaged_over_the_batch():
    # KL(N(m, 1) || N(0, 1)) = m^2 / 2 per dimension: 3 * 2 for the first image, 0 for the second.
    posterior = DiagonalGaussian(torch.tensor([[2.0] * 3, [0.0] * 3]), torch.zeros(2, 3))
    terms = generator_objective(LOGITS, MASK, posterior, CLEAR, None, Weights(1.0, 0.0, 0.0), CONSTANTS, KNOWN)
    assert terms["kl"].item() == pytest.approx(3.0)


@pytest.mark.parametrize("weights", [Weights(0.0, 0.0, 0.0), Weights(0.01, 0.3, 0.01), Weights(1.0, 2.0, 3.0)])
def test_the_loss_is_the_weighted_sum_of_the_terms(weights):
    logits, transmission, total = torch.randn(2, 1, 8, 8), torch.rand(2, 1, 8, 8), torch.rand(2, 1, 8, 8) * math.log(2)
    terms = generator_objective(logits, MASK, POSTERIOR, transmission, total, weights, CONSTANTS, KNOWN)
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
    terms = generator_objective(LOGITS, MASK, POSTERIOR, CLEAR, None, Weights(0.1, 0.0, 0.0), CONSTANTS, KNOWN)
    assert set(terms) == {"loss", "structure", "kl"}


def test_the_plain_entropy_needs_no_estimator_and_the_calibrated_one_says_that_it_does():
    weights = Weights(0.0, 0.0, 0.01)
    plain = generator_objective(
        LOGITS, MASK, POSTERIOR, CLEAR, None, weights, CONSTANTS.model_copy(update={"entropy": "plain"}), KNOWN
    )
    assert plain["entropy"].item() == pytest.approx(entropy_loss(LOGITS).item())
    with pytest.raises(ValueError, match="calibrated entropy needs the estimator's total uncertainty; found none"):
        generator_objective(LOGITS, MASK, POSTERIOR, CLEAR, None, weights, CONSTANTS, KNOWN)


def test_the_coherence_is_computed_at_a_fraction_of_the_size():
    # Blocks of 10 x 10 of one value each: reduced to a tenth, the very same picture of 8 x 8 pixels.
    logits, transmission = torch.randn(2, 1, 8, 8), torch.rand(2, 1, 8, 8)
    large_logits, large_transmission = (torch.kron(values, torch.ones(10, 10)) for values in (logits, transmission))
    mask = torch.ones(2, 1, 80, 80)
    tenth = CONSTANTS.model_copy(update={"coherence_scale": 0.1})
    weights = Weights(0.0, 1.0, 0.0)
    terms = generator_objective(large_logits, mask, POSTERIOR, large_transmission, None, weights, tenth, mask)
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


@pytest.mark.parametrize("free_nats", [0.0, 0.5])
def test_equal_parts_of_a_batch_have_the_batchs_terms_on_average_but_for_the_free_nats(free_nats: float):
    logits, transmission = torch.randn(4, 1, 8, 8), torch.rand(4, 1, 8, 8)
    mask, known = torch.zeros(4, 1, 8, 8), torch.ones(4, 1, 8, 8)
    # The last view alone has a box, which its smoke does not fill.
    mask[:2, :, 2:5], known[3, :, 1:6, 1:6], logits[3] = 1.0, 0.0, -3.0
    total, mean = torch.rand(4, 1, 8, 8) * math.log(2), torch.randn(4, 3)
    constants = CONSTANTS.model_copy(update={"free_nats": free_nats})

    def terms(views: slice) -> dict[str, torch.Tensor]:
        posterior = DiagonalGaussian(mean[views], torch.zeros(len(mean[views]), 3))
        planes = logits[views], mask[views], posterior, transmission[views], total[views]
        return generator_objective(*planes, Weights(1.0, 0.3, 0.1, 0.5), constants, known[views])

    whole, first, last = (terms(views) for views in (slice(4), slice(2), slice(2, 4)))
    assert whole["boxes"] > first["boxes"] == 0
    for name in whole.keys() - {"loss"}:
        assert (first[name] + last[name]).item() / 2 == pytest.approx(whole[name].item(), rel=1e-5), name
    apart = (first["loss"] + last["loss"]).item() / 2 - whole["loss"].item()
    assert apart == pytest.approx(0.0, abs=1e-6) if free_nats == 0 else apart > 1e-3
