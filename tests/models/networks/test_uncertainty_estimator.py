"""g_gamma: bounds that hold by construction, two decoders, any size."""

import math

import pytest
import torch
from torch import nn

from models.networks.uncertainty import binary_entropy
from models.networks.uncertainty_estimator import UncertaintyEstimator

LN2 = math.log(2)


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_aleatoric_lies_between_0_and_total_and_total_at_most_at_ln_2(scale):
    estimator = UncertaintyEstimator(8).eval()
    with torch.no_grad():
        for parameter in estimator.parameters():
            parameter.mul_(scale)
    total, aleatoric, epistemic = estimator(torch.randn(4, 3, 32, 48), torch.rand(4, 1, 32, 48))
    assert aleatoric.min() >= 0.0
    assert epistemic.min() >= 0.0
    assert total.max() <= LN2 + 1e-6
    assert torch.allclose(aleatoric + epistemic, total, atol=1e-6)


def test_decoders_at_zero_say_the_entropy_of_the_prediction_and_half_of_it():
    estimator = UncertaintyEstimator(8).eval()
    for decoder in (estimator.total, estimator.aleatoric):
        nn.init.zeros_(decoder[-1].weight)
        nn.init.zeros_(decoder[-1].bias)
    probability = torch.linspace(0.001, 0.999, 256).view(1, 1, 16, 16)
    total, aleatoric, epistemic = estimator(torch.randn(1, 3, 16, 16), probability)
    entropy = -(probability * probability.log() + (1 - probability) * (1 - probability).log())
    assert torch.allclose(total, entropy, atol=1e-4)
    assert torch.allclose(aleatoric, entropy / 2, atol=1e-4)
    assert torch.allclose(epistemic, entropy / 2, atol=1e-4)


def test_it_starts_near_the_entropy_of_the_prediction():
    probability = torch.rand(2, 1, 32, 32)
    with torch.no_grad():
        total, aleatoric, _ = UncertaintyEstimator(32).eval()(torch.randn(2, 3, 32, 32), probability)
    assert torch.allclose(total, binary_entropy(probability), atol=0.05)
    assert (aleatoric / total).mean() == pytest.approx(1 / (1 + math.exp(-2.0)), abs=0.05)


@pytest.mark.parametrize("size", [(16, 16), (33, 47), (64, 20)])
def test_maps_have_the_images_size(size):
    for values in UncertaintyEstimator(8).eval()(torch.randn(2, 3, *size), torch.rand(2, 1, *size)):
        assert values.shape == (2, 1, *size)


def test_a_prediction_of_exactly_0_or_1_is_no_trouble():
    estimator, image = UncertaintyEstimator(8).eval(), torch.randn(1, 3, 16, 16)
    for certain in (torch.zeros(1, 1, 16, 16), torch.ones(1, 1, 16, 16)):
        assert all(torch.isfinite(values).all() for values in estimator(image, certain))


def test_both_image_and_prediction_are_looked_at():
    estimator, image, probability = UncertaintyEstimator(8).eval(), torch.randn(1, 3, 32, 32), torch.rand(1, 1, 32, 32)
    before = estimator(image, probability).total
    assert not torch.allclose(before, estimator(image + 1.0, probability).total, atol=1e-6)
    assert not torch.allclose(before, estimator(image, 1.0 - probability).total, atol=1e-6)


def test_every_parameter_gets_a_gradient():
    estimator = UncertaintyEstimator(8).train()
    _, aleatoric, epistemic = estimator(torch.randn(2, 3, 32, 32), torch.rand(2, 1, 32, 32))
    (aleatoric.square().mean() + epistemic.square().mean()).backward()
    dead = [
        name for name, parameter in estimator.named_parameters() if parameter.grad is None or not parameter.grad.any()
    ]
    assert dead == []


def test_the_encoder_has_five_convolutions_and_each_decoder_three_the_last_of_them_bare():
    estimator = UncertaintyEstimator(8)

    def convolutions(module: nn.Module) -> int:
        return sum(isinstance(child, nn.Conv2d) for child in module.modules())

    assert [convolutions(part) for part in (estimator.encoder, estimator.total, estimator.aleatoric)] == [5, 3, 3]
    assert isinstance(estimator.total[-1], nn.Conv2d)
    assert isinstance(estimator.aleatoric[-1], nn.Conv2d)


def test_sure_pixels_keep_their_order():
    estimator = UncertaintyEstimator(8).eval()
    nn.init.zeros_(estimator.total[-1].weight)
    probability = torch.logspace(-8, -1, 256).view(1, 1, 16, 16)
    with torch.no_grad():
        total = estimator(torch.randn(1, 3, 16, 16), probability).total.flatten()
    assert (total.diff() > 0).float().mean() > 0.98
