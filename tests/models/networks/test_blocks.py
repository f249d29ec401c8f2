"""The blocks at weights where their answer is known."""

import pytest
import torch
from torch import nn

from models.networks.blocks import ConvNormAct, DenseASPP, ResidualChannelAttention, SingleOutput, convolve_parts


@pytest.mark.parametrize(("kernel", "stride", "dilation"), [(1, 1, 1), (3, 1, 1), (3, 1, 6), (3, 2, 1)])
def test_a_convolution_keeps_the_size_up_to_its_stride(kernel, stride, dilation):
    block = ConvNormAct(2, 5, kernel, stride=stride, dilation=dilation).eval()
    assert block(torch.randn(1, 2, 24, 16)).shape == (1, 5, 24 // stride, 16 // stride)


def test_what_is_negative_leaks_a_tenth():
    block = ConvNormAct(1, 1, 1).eval()
    nn.init.ones_(block[0].weight)
    values = torch.tensor([-2.0, 0.0, 3.0]).view(1, 1, 1, 3)
    assert block(values).flatten().tolist() == pytest.approx([-0.2, 0.0, 3.0], abs=1e-4)


def test_a_shut_attention_leaves_the_input():
    block = ResidualChannelAttention(8).eval()
    nn.init.zeros_(block.attention[2].weight)
    nn.init.constant_(block.attention[2].bias, -1e4)
    values = torch.randn(2, 8, 7, 9)
    assert torch.equal(block(values), values)


def test_an_open_attention_adds_the_whole_body():
    block = ResidualChannelAttention(8).eval()
    nn.init.zeros_(block.attention[2].weight)
    nn.init.constant_(block.attention[2].bias, 1e4)
    values = torch.randn(2, 8, 7, 9)
    assert torch.allclose(block(values), values + block.body(values))


def test_attention_is_one_number_per_image_and_channel():
    block, values = ResidualChannelAttention(8).eval(), torch.randn(2, 8, 7, 9)
    share = (block(values) - values) / block.body(values)
    spread = share.amax((2, 3)) - share.amin((2, 3))
    assert spread.max() < 1e-3
    assert 0.0 < share.min() <= share.max() < 1.0


def test_dense_aspp_returns_its_input_and_all_that_it_computed():
    block = DenseASPP(4, hidden=6, growth=5, dilations=(3, 6, 12)).eval()
    values = torch.randn(2, 4, 20, 28)
    found = block([values])
    assert block.channels == 4 + 3 * 5
    assert [tuple(part.shape) for part in found] == [(2, channels, 20, 28) for channels in (4, 5, 5, 5)]
    assert torch.equal(found[0], values)


def test_each_layer_of_dense_aspp_sees_all_before_it():
    block = DenseASPP(2, hidden=3, growth=3, dilations=(1, 2)).train()
    block([torch.randn(2, 2, 8, 8)])[-1].square().sum().backward()
    first = block.layers[0][1][0].weight
    assert first.grad.abs().sum() > 0.0


@pytest.mark.parametrize("dilation", [3, 24])
def test_a_dilated_layer_reaches_exactly_as_far_as_its_dilation(dilation):
    layer = DenseASPP(1, hidden=1, growth=1, dilations=(dilation,)).eval().layers[0]
    for block in layer:
        nn.init.ones_(block[0].weight)
    values = torch.zeros(1, 1, 64, 64)
    values[0, 0, 32, 32] = 1.0
    touched = layer(values)[0, 0].nonzero().flatten().unique().tolist()
    assert touched == [32 - dilation, 32, 32 + dilation]


def test_nine_taps_added_where_they_belong_are_a_convolution_of_three_by_three():
    single = SingleOutput(5).double()
    parts = [torch.randn(2, channels, 7, 4, dtype=torch.float64) for channels in (2, 3)]
    expected = torch.nn.functional.conv2d(torch.cat(parts, dim=1), single.weight, single.bias, padding=1)
    assert torch.allclose(single(parts), expected, atol=1e-12)


def test_parts_are_convolved_as_if_they_were_concatenated():
    parts = [torch.randn(2, channels, 6, 5, dtype=torch.float64) for channels in (1, 4, 2)]
    weight = torch.randn(3, 7, 1, 1, dtype=torch.float64)
    expected = torch.nn.functional.conv2d(torch.cat(parts, dim=1), weight)
    assert torch.allclose(convolve_parts(parts, weight), expected, atol=1e-12)


def test_every_atrous_layer_sees_the_input_and_all_before_it():
    aspp = DenseASPP(6, 4, 3, (1, 2)).double().eval()
    x = torch.randn(2, 6, 9, 9, dtype=torch.float64)
    expected = x
    for layer in aspp.layers:
        expected = torch.cat([expected, layer(expected)], dim=1)
    assert torch.allclose(torch.cat(aspp([x[:, :2], x[:, 2:]]), dim=1), expected, atol=1e-12)
