"""Image and latent -> logits: the split convolution, any size, and no parameter that nothing teaches."""

import pytest
import torch
from torch import nn

from models.networks.backbone import Backbone
from models.networks.generator import Generator
from tests.models.networks.conftest import make_generator


def test_the_split_convolution_equals_one_over_feature_and_latent_borders_included(generator):
    feature, latent = torch.randn(2, generator.deep_from_feature.in_channels, 5, 7), torch.randn(2, 3)
    together = nn.Conv2d(feature.shape[1] + 3, feature.shape[1], 3, padding=1, bias=False)
    with torch.no_grad():
        together.weight.copy_(torch.cat([generator.deep_from_feature.weight, generator.deep_from_latent.weight], dim=1))
    tiled = latent[:, :, None, None].expand(-1, -1, 5, 7)
    whole = together(torch.cat([feature, tiled], dim=1))
    split = generator.deep_from_feature(feature) + generator.deep_from_latent(tiled)
    assert torch.allclose(whole, split, atol=1e-5)
    # Zeros lie around the tiled latent: its part at a corner is not its part in the middle.
    part = generator.deep_from_latent(tiled)
    assert not torch.allclose(part[:, :, 0, 0], part[:, :, 2, 3], atol=1e-3)


@pytest.mark.parametrize("size", [(64, 64), (32, 32), (72, 104), (65, 97), (33, 50)])
def test_any_size_works_and_logits_have_the_images(generator, size):
    logits = generator(torch.randn(1, 3, *size), torch.randn(1, 3))
    assert logits.shape == (1, 1, *size)
    assert torch.isfinite(logits).all()


def test_dilations_may_exceed_a_small_feature_map():
    sizes = {"latent_dim": 2, "channels": 8, "aspp_hidden": 8, "aspp_growth": 8}
    far = Generator(Backbone("test_efficientnet"), **sizes, dilations=(3, 24), stride=8, dropout=0.3).eval()
    assert far(torch.randn(1, 3, 32, 32), torch.randn(1, 2)).shape == (1, 1, 32, 32)


def test_every_parameter_gets_a_gradient(generator):
    generator.train()
    generator(torch.randn(2, 3, 64, 64), torch.randn(2, 3)).square().mean().backward()
    dead = [
        name for name, parameter in generator.named_parameters() if parameter.grad is None or not parameter.grad.any()
    ]
    assert dead == []


def test_one_pass_is_encode_and_decode(generator):
    image, latent = torch.randn(2, 3, 64, 64), torch.randn(2, 3)
    assert torch.equal(generator(image, latent), generator.decode(generator.encode(image), latent))


def test_an_encoding_decodes_more_than_once_to_the_same(generator):
    encoding, latent = generator.encode(torch.randn(2, 3, 64, 64)), torch.randn(2, 3)
    assert torch.equal(generator.decode(encoding, latent), generator.decode(encoding, latent))


def test_the_latent_reaches_the_logits_of_its_own_image_only(generator):
    encoding, latent = generator.encode(torch.randn(2, 3, 64, 64)), torch.zeros(2, 3)
    moved = latent.clone()
    moved[1] += 5.0
    change = (generator.decode(encoding, moved) - generator.decode(encoding, latent)).abs().amax((1, 2, 3))
    assert change[0] == 0.0
    assert change[1] > 1e-4


def test_modulation_changes_nothing_at_first_and_each_channel_of_its_image_once_it_has_learned():
    torch.manual_seed(1)
    modulated, image, latent = make_generator(modulated=True), torch.randn(2, 3, 64, 64), torch.randn(2, 3)
    plain = make_generator()
    plain.load_state_dict(modulated.state_dict(), strict=False)
    assert torch.equal(modulated(image, latent), plain(image, latent))
    torch.nn.init.normal_(modulated.modulation.weight)
    taken: list[torch.Tensor] = []
    modulated.aspp.register_forward_pre_hook(lambda _, inputs: taken.extend(inputs[0]))
    plain.aspp.register_forward_pre_hook(lambda _, inputs: taken.extend(inputs[0]))
    plain(image, latent)
    modulated(image, latent)
    values = modulated.modulation(latent).view(2, 4, 2, 8, 1, 1)
    expected = taken[0] * (1 + values[:, 0, 0]) + values[:, 0, 1]
    torch.testing.assert_close(taken[4], expected)


def test_dropout_is_random_in_training_and_off_in_evaluation(generator):
    image, latent = torch.randn(2, 3, 64, 64), torch.randn(2, 3)
    assert torch.equal(generator(image, latent), generator(image, latent))
    generator.dropout.train()
    assert not torch.equal(generator(image, latent), generator(image, latent))


def test_another_stride_than_4_or_8_is_refused():
    sizes = {"latent_dim": 2, "channels": 8, "aspp_hidden": 8, "aspp_growth": 8}
    with pytest.raises(ValueError, match="stride is 16, expected 4 or 8"):
        Generator(Backbone("test_efficientnet"), **sizes, dilations=(3,), stride=16, dropout=0.3)


def test_the_latents_weights_start_as_large_as_the_features(generator):
    feature, latent = generator.deep_from_feature.weight, generator.deep_from_latent.weight
    bound = (feature[0].numel() + latent[0].numel()) ** -0.5
    for weight in (feature, latent):
        assert 0.8 * bound < weight.abs().max() <= bound
