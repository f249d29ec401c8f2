"""Encode once, decode B times: the same samples as full passes, and nothing left behind."""

import pytest
import torch
from torch import nn

from models.networks.segmenter import SmokeSegmenter
from tests.training.conftest import tiny
from training.engine.monte_carlo import dropout_only, sample_nested, sample_probabilities
from training.engine.networks import build_segmenter

SAMPLES = 4


@pytest.fixture(params=[4, 8], ids=["stride 4", "stride 8"])
def segmenter(request: pytest.FixtureRequest) -> SmokeSegmenter:
    return build_segmenter(tiny(f"network.decoder_stride={request.param}").network, pretrained=False).train()


@pytest.fixture
def image() -> torch.Tensor:
    return torch.randn(2, 3, 64, 64)


def full_passes(segmenter: SmokeSegmenter, image: torch.Tensor, seed: int) -> torch.Tensor:
    """Samples without sharing: image to logits anew for each, z and masks from the same stream of random numbers."""
    torch.manual_seed(seed)
    segmenter.eval()
    segmenter.generator.dropout.train()
    passes = []
    with torch.no_grad():
        for _ in range(SAMPLES):
            latent = segmenter.inference_model(image).sample()
            passes.append(torch.sigmoid(segmenter.generator(image, latent)))
    return torch.stack(passes)


def test_samples_equal_full_passes_for_the_same_latents_and_masks(segmenter, image):
    torch.manual_seed(11)
    shared = sample_probabilities(segmenter.generator, segmenter.inference_model, image, SAMPLES)
    assert shared.shape == (SAMPLES, 2, 1, 64, 64)
    assert (shared - full_passes(segmenter, image, 11)).abs().max() < 1e-5


def test_samples_differ_from_each_other_and_no_gradient_follows_them(segmenter, image):
    samples = sample_probabilities(segmenter.generator, segmenter.inference_model, image, SAMPLES)
    assert not samples.requires_grad
    assert samples.std(dim=0).mean() > 1e-4
    assert 0.0 <= samples.min() <= samples.max() <= 1.0


def test_without_dropout_and_with_a_certain_latent_all_samples_agree(segmenter, image):
    segmenter.generator.dropout.p = 0.0
    nn.init.zeros_(segmenter.inference_model.log_variance.weight)
    nn.init.constant_(segmenter.inference_model.log_variance.bias, -1e4)
    segmenter.generator.deep_from_latent.weight.data.mul_(1e-6)  # the limit of the log variance leaves sigma = exp(-4)
    samples = sample_probabilities(segmenter.generator, segmenter.inference_model, image, SAMPLES)
    assert (samples - samples[0]).abs().max() < 1e-5


@pytest.mark.parametrize("source", ["latent", "dropout"])
def test_the_latent_alone_and_dropout_alone_each_make_samples_differ(segmenter, image, source):
    if source == "latent":
        segmenter.generator.dropout.p = 0.0
    else:
        nn.init.zeros_(segmenter.generator.deep_from_latent.weight)
    samples = sample_probabilities(segmenter.generator, segmenter.inference_model, image, SAMPLES)
    assert samples.std(dim=0).mean() > 1e-6


def test_sampling_leaves_buffers_and_modes_as_they_were(segmenter, image):
    segmenter.generator.backbone.eval()
    modes = [module.training for module in segmenter.modules()]
    buffers = [buffer.clone() for buffer in segmenter.buffers()]
    sample_probabilities(segmenter.generator, segmenter.inference_model, image, SAMPLES)
    assert [module.training for module in segmenter.modules()] == modes
    assert len(set(modes)) == 2
    assert all(torch.equal(before, after) for before, after in zip(buffers, segmenter.buffers(), strict=True))


def test_modes_return_after_an_error_too():
    network = nn.Sequential(nn.Dropout(), nn.BatchNorm2d(1)).train()
    network[0].eval()

    def fail_within() -> None:
        with dropout_only(network):
            assert (network[0].training, network[1].training) == (True, False)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_within()
    assert (network.training, network[0].training, network[1].training) == (True, False, True)


def test_nested_samples_share_the_dropout_mask_within_a_row_and_not_between_rows(segmenter, image):
    nn.init.zeros_(segmenter.generator.deep_from_latent.weight)  # dropout alone is left to make samples differ
    samples = sample_nested(segmenter.generator, segmenter.inference_model, image, masks=3, latents=2)
    assert samples.shape == (3, 2, 2, 1, 64, 64)
    assert (samples[:, 0] - samples[:, 1]).abs().max() == 0.0
    assert (samples[0] - samples[1]).abs().mean() > 1e-6


def test_nested_samples_of_one_mask_differ_by_their_latent(segmenter, image):
    segmenter.generator.dropout.p = 0.0
    segmenter.generator.deep_from_latent.weight.data.mul_(100.0)
    samples = sample_nested(segmenter.generator, segmenter.inference_model, image, masks=1, latents=3)
    assert samples.std(dim=1).mean() > 1e-5
