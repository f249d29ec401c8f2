"""What a validation says of z: whether it is alive, told of networks whose z was cut off at either end."""

import numpy as np
import pytest
import torch

from models.networks.segmenter import SmokeSegmenter
from tests.pictures import noisy
from tests.training.conftest import tiny
from training.engine.networks import build_segmenter
from training.evaluation.validation import LatentActivity, latent_activity

FRAMES = [noisy(seed, 64, 64) // (seed + 1) for seed in range(4)]


@pytest.fixture
def segmenter() -> SmokeSegmenter:
    """Untrained, with an inference model that tells bright frames from dark ones."""
    segmenter = build_segmenter(tiny().network, pretrained=False).eval()
    inference_model = segmenter.inference_model
    images = torch.stack([torch.from_numpy(frame) for frame in FRAMES]).permute(0, 3, 1, 2)
    with torch.no_grad():
        inference_model.mean.weight.mul_(1e4)
        inference_model.mean.bias.sub_(inference_model(segmenter.normalise(images)).mean.mean(dim=0))
        segmenter.inference_model.log_variance.weight.zero_()
        segmenter.inference_model.log_variance.bias.zero_()
    return segmenter


def test_a_z_that_tells_frames_apart_and_moves_the_mask_is_alive(segmenter):
    with torch.no_grad():
        segmenter.generator.deep_from_latent.weight.mul_(100.0)
    found = latent_activity(segmenter, FRAMES)
    assert found.active_units == found.latent_dim == 4
    assert found.area_ratio > 1.1
    assert not found.dead
    assert str(found).startswith("z: divergence ")


def test_a_z_that_says_the_same_of_every_frame_is_dead(segmenter):
    with torch.no_grad():
        segmenter.inference_model.mean.weight.zero_()
        segmenter.inference_model.mean.bias.zero_()
    found = latent_activity(segmenter, FRAMES)
    assert (found.divergence, found.active_units) == (pytest.approx(0.0, abs=1e-6), 0)
    assert found.dead
    assert str(found).startswith("z is dead: divergence 0 nats, 0 of 4 units active")


def test_a_z_that_the_generator_does_not_hear_is_dead(segmenter):
    with torch.no_grad():
        segmenter.generator.deep_from_latent.weight.zero_()
    found = latent_activity(segmenter, FRAMES)
    assert found.active_units == 4
    assert found.area_ratio == 1.0
    assert found.dead


def test_the_divergence_is_that_of_the_posterior(segmenter):
    with torch.no_grad():
        segmenter.inference_model.mean.weight.zero_()
        segmenter.inference_model.mean.bias.fill_(2.0)
    # KL(N(2, 1) || N(0, 1)) = 2 nats for each of four dimensions.
    assert latent_activity(segmenter, FRAMES).divergence == pytest.approx(8.0)


def test_measuring_leaves_modes_weights_and_the_random_state_alone(segmenter):
    segmenter.train()
    state = torch.get_rng_state()
    before = {name: value.clone() for name, value in segmenter.state_dict().items()}
    latent_activity(segmenter, FRAMES)
    assert torch.equal(state, torch.get_rng_state())
    assert all(module.training for module in segmenter.modules())
    assert all(torch.equal(before[name], value) for name, value in segmenter.state_dict().items())


def test_logits_that_vary_without_a_pixel_changing_sides_are_no_life(segmenter):
    with torch.no_grad():
        segmenter.generator.deep_from_latent.weight.mul_(100.0)
        segmenter.generator.head.bias.fill_(-1e3)
    assert latent_activity(segmenter, FRAMES).dead


@pytest.mark.parametrize(("active", "ratio", "dead"), [(0, 3.0, True), (1, 1.09, True), (1, 1.11, False)])
def test_both_ends_count(active, ratio, dead):
    assert LatentActivity(1.0, active, 8, ratio).dead is dead


def test_frames_of_any_layout_in_memory_are_measured(segmenter):
    one = latent_activity(segmenter, FRAMES)
    assert latent_activity(segmenter, [np.asfortranarray(frame) for frame in FRAMES]) == one
