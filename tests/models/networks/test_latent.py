"""One sigma: the divergence and the samples speak of the same Gaussian."""

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from models.networks.latent import DiagonalGaussian


def gaussian(count: int = 20) -> DiagonalGaussian:
    return DiagonalGaussian(torch.randn(count, 8, dtype=torch.float64), torch.randn(count, 8, dtype=torch.float64))


def test_the_divergence_of_the_prior_from_itself_is_zero():
    prior = DiagonalGaussian(torch.zeros(2, 8), torch.zeros(2, 8))
    assert (prior.kl_to_standard_normal() == 0.0).all()


def test_the_divergence_is_that_of_torch_distributions():
    one = gaussian()
    known = kl_divergence(Normal(one.mean, one.std), Normal(0.0, 1.0))
    assert torch.allclose(one.kl_to_standard_normal(), known, atol=1e-12)


def test_sigma_is_the_root_of_the_variance():
    nine = DiagonalGaussian(torch.zeros(1, 1), torch.full((1, 1), 9.0).log())
    assert nine.std.item() == pytest.approx(3.0)
    # KL(N(0, 9) || N(0, 1)) = (9 - 1 - ln 9) / 2
    assert nine.kl_to_standard_normal().item() == pytest.approx(2.9013877)


def test_samples_have_the_mean_and_the_sigma_that_the_divergence_assumes():
    mean, std = torch.tensor([2.0, -1.0]), torch.tensor([0.5, 3.0])
    many = DiagonalGaussian(mean.expand(200_000, 2), (2 * std.log()).expand(200_000, 2)).sample()
    assert torch.allclose(many.mean(0), mean, atol=0.03)
    assert torch.allclose(many.std(0), std, rtol=0.02)


def test_the_divergence_is_the_mean_log_ratio_over_samples():
    one = DiagonalGaussian(torch.tensor([[0.8]]), torch.tensor([[-1.0]]))
    many = DiagonalGaussian(one.mean.expand(400_000, 1), one.log_variance.expand(400_000, 1)).sample()
    log_ratio = Normal(one.mean, one.std).log_prob(many) - Normal(0.0, 1.0).log_prob(many)
    assert log_ratio.mean().item() == pytest.approx(one.kl_to_standard_normal().item(), rel=0.01)


def test_the_gradient_of_a_sample_reaches_mean_and_log_variance():
    mean, log_variance = torch.zeros(3, 2, requires_grad=True), torch.zeros(3, 2, requires_grad=True)
    DiagonalGaussian(mean, log_variance).sample().sum().backward()
    assert (mean.grad == 1.0).all()
    assert (log_variance.grad != 0.0).all()
