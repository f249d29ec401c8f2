"""The building blocks of generator and estimator: convolution with normalisation, residual channel attention, DenseASPP."""

from collections.abc import Sequence
from itertools import accumulate
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_REDUCTION = 4
"""Channels over those of the bottleneck that computes the attention."""


class ConvNormAct(nn.Sequential):
    """Convolution, batch normalisation, LeakyReLU: (batch, inputs, h, w) -> (batch, outputs, h / stride, w / stride)."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, *, stride: int = 1, dilation: int = 1) -> None:
        padding = dilation * (kernel // 2)
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, bias=False),
            nn.BatchNorm2d(outputs),
            nn.LeakyReLU(0.1),
        )


class ResidualChannelAttention(nn.Module):
    """x + a * body(x), with one attention a in (0, 1) per channel, from the mean over the image.

    Source: RCAB of Zhang et al. 2018, «Image Super-Resolution Using Very Deep Residual Channel Attention Networks», eq. 10,
    with batch normalisation. Departs: Yan et al. cite Fu et al. 2018; their published code uses this block.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            ConvNormAct(channels, channels),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.attention = nn.Sequential(
            nn.Conv2d(channels, channels // _REDUCTION, 1),
            nn.ReLU(),
            nn.Conv2d(channels // _REDUCTION, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, h, w) -> the same shape."""
        body = self.body(x)
        attention = self.attention(body.mean((2, 3), keepdim=True))
        refined: Tensor = x + attention * body
        return refined


class DenseASPP(nn.Module):
    """Densely connected atrous convolutions: each sees the input and all that was computed before it.

    Source: Yang et al. 2018, «DenseASPP for Semantic Segmentation in Street Scenes», eq. 3.

    Attributes:
        channels: Number of channels returned, inputs + len(dilations) * growth.
    """

    def __init__(self, inputs: int, hidden: int, growth: int, dilations: Sequence[int]) -> None:
        super().__init__()
        self.channels = inputs + len(dilations) * growth
        self.layers = nn.ModuleList(
            nn.Sequential(
                ConvNormAct(inputs + index * growth, hidden, kernel=1),
                ConvNormAct(hidden, growth, dilation=dilation),
            )
            for index, dilation in enumerate(dilations)
        )

    def forward(self, parts: Sequence[Tensor]) -> list[Tensor]:
        """Maps (batch, c_i, h, w) whose channels sum to `inputs` -> them and a map of `growth` channels per dilation."""
        parts = list(parts)
        for layer in self.layers:
            narrow, dilated = cast("nn.Sequential", layer)
            pointwise, norm, act = cast("ConvNormAct", narrow)
            parts.append(dilated(act(norm(convolve_parts(parts, cast("Tensor", pointwise.weight))))))
        return parts


def convolve_parts(parts: Sequence[Tensor], weight: Tensor) -> Tensor:
    """The convolution of the concatenated maps with a (outputs, sum of channels, 1, 1) weight, without concatenating them."""
    ends = list(accumulate(part.shape[1] for part in parts))
    first, *others = (
        F.conv2d(part, weight[:, end - part.shape[1] : end]) for part, end in zip(parts, ends, strict=True)
    )
    return sum(others, start=first)


class SingleOutput(nn.Module):
    """A 3 x 3 convolution to one channel: (batch, inputs, h, w) -> (batch, 1, h, w), as a pointwise one to nine channels.

        y(m) = b + sum_k (w_k . x)(m + k),   k in {-1, 0, 1}^2

    By linearity each of the nine taps is a map of its own, and the maps are added where they belong. A convolution to one channel
    leaves most of a CPU's vector unit idle: this form is five times faster there.
    """

    def __init__(self, inputs: int) -> None:
        super().__init__()
        like = nn.Conv2d(inputs, 1, 3)
        self.weight, self.bias = like.weight, nn.Parameter(torch.zeros(1))

    def forward(self, parts: Sequence[Tensor]) -> Tensor:
        """Maps (batch, c_i, h, w) -> the same value as `nn.Conv2d` has of the concatenated maps."""
        taps = convolve_parts(parts, self.weight[0].permute(1, 2, 0).reshape(9, -1, 1, 1))
        padded = F.pad(taps, (1, 1, 1, 1))
        height, width = taps.shape[2:]
        total = sum(
            padded[:, 3 * down + right, down : down + height, right : right + width]
            for down in range(3)
            for right in range(3)
        )
        return cast("Tensor", total)[:, None] + self.bias
