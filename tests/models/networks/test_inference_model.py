"""Image -> Gaussian over z."""

import pytest
import torch

from models.networks.inference_model import InferenceModel


def test_an_image_gives_one_gaussian_per_image():
    posterior = InferenceModel(5).eval()(torch.randn(3, 3, 64, 96))
    assert posterior.mean.shape == posterior.log_variance.shape == (3, 5)


@pytest.mark.parametrize("size", [(4, 4), (33, 65), (61, 47)])
def test_any_size_works(size):
    assert InferenceModel(8).eval()(torch.randn(2, 3, *size)).mean.shape == (2, 8)


def test_images_do_not_mix_in_evaluation():
    model, images = InferenceModel(4).eval(), torch.randn(3, 3, 32, 32)
    alone = model(images[1:2])
    together = model(images)
    assert torch.allclose(alone.mean[0], together.mean[1], atol=1e-6)


def test_the_log_variance_cannot_run_away():
    posterior = InferenceModel(4).eval()(torch.full((1, 3, 32, 32), 1e6))
    assert posterior.log_variance.abs().max() <= 8.0
    assert torch.isfinite(posterior.std).all()


def test_every_parameter_gets_a_gradient():
    model = InferenceModel(4).train()
    posterior = model(torch.randn(4, 3, 64, 64))
    (posterior.sample().square().sum() + posterior.kl_to_standard_normal().sum()).backward()
    dead = [name for name, parameter in model.named_parameters() if parameter.grad is None or not parameter.grad.any()]
    assert dead == []


def test_there_are_five_convolutions_as_in_the_paper():
    convolutions = [module for module in InferenceModel(4).modules() if isinstance(module, torch.nn.Conv2d)]
    assert len(convolutions) == 5
