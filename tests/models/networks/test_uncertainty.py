"""Entropy and its decomposition at points where the answer is known."""

import math

import pytest
import torch

from models.networks.uncertainty import binary_entropy, decompose, entropy_of_logits

LN2 = math.log(2)


def test_a_fair_coin_has_ln_2_nats():
    assert binary_entropy(torch.tensor(0.5)).item() == pytest.approx(LN2, abs=1e-7)


def test_certainty_has_none():
    assert binary_entropy(torch.tensor([0.0, 1.0])).tolist() == [0.0, 0.0]


def test_smoke_and_no_smoke_are_alike():
    p = torch.linspace(0, 1, 101, dtype=torch.float64)
    assert torch.allclose(binary_entropy(p), binary_entropy(1 - p), atol=1e-15)


def test_the_entropy_of_an_eighth_is_as_computed_by_hand():
    by_hand = 3 * LN2 / 8 + 7 / 8 * math.log(8 / 7)
    assert binary_entropy(torch.tensor(0.125, dtype=torch.float64)).item() == pytest.approx(by_hand, abs=1e-15)


def test_the_entropy_of_logits_is_that_of_their_sigmoid():
    logits = torch.linspace(-12, 12, 97, dtype=torch.float64)
    assert torch.allclose(entropy_of_logits(logits), binary_entropy(torch.sigmoid(logits)), atol=1e-10)


def test_the_entropy_of_logits_has_a_finite_slope_where_that_of_probabilities_has_none():
    logits = torch.tensor([-200.0, -30.0, 0.0, 30.0, 200.0], requires_grad=True)
    entropy_of_logits(logits).sum().backward()
    assert torch.isfinite(logits.grad).all()
    assert logits.grad[2] == 0.0


def test_samples_that_agree_leave_no_epistemic_doubt():
    agreed = torch.rand(4, 5, dtype=torch.float64)
    total, aleatoric, epistemic = decompose(agreed.expand(7, 4, 5))
    assert epistemic.abs().max() < 1e-12
    assert torch.allclose(total, binary_entropy(agreed))
    assert torch.allclose(aleatoric, total)


def test_half_the_samples_certain_of_smoke_and_half_of_none_is_pure_epistemic_doubt():
    samples = torch.tensor([0.0, 1.0, 1.0, 0.0]).view(4, 1)
    total, aleatoric, epistemic = decompose(samples)
    assert total.item() == pytest.approx(LN2)
    assert epistemic.item() == pytest.approx(LN2)
    assert aleatoric.item() == 0.0


def test_two_samples_are_split_as_computed_by_hand():
    total, aleatoric, epistemic = decompose(torch.tensor([0.25, 0.75], dtype=torch.float64))
    quarter = 2 * LN2 / 4 + 3 / 4 * math.log(4 / 3)
    assert (total.item(), aleatoric.item()) == pytest.approx((LN2, quarter))
    assert epistemic.item() == pytest.approx(LN2 - quarter)


def test_the_order_of_the_samples_does_not_matter():
    samples = torch.rand(6, 3, 8, 8, dtype=torch.float64)
    shuffled = samples[torch.tensor([3, 1, 5, 0, 2, 4])]
    for one, other in zip(decompose(samples), decompose(shuffled), strict=True):
        assert torch.allclose(one, other, atol=1e-14)


@pytest.mark.parametrize("spread", [0.01, 1.0, 30.0])
def test_all_uncertainties_stay_between_0_and_ln_2_whatever_the_samples(spread):
    samples = torch.sigmoid(spread * torch.randn(5, 10_000))
    total, aleatoric, epistemic = decompose(samples)
    for values in (total, aleatoric, epistemic):
        assert values.min() >= 0.0
        assert values.max() <= LN2 + 1e-6
    assert torch.allclose(aleatoric + epistemic, total, atol=1e-6)
