"""The building blocks of generator and estimator: convolution with normalisation, residual channel attention, DenseASPP."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


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

    def __init__(self, channels: int, reduction: int = 4) -> None:
        super().__init__()
        self.body = nn.Sequential(
            ConvNormAct(channels, channels),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.attention = nn.Sequential(
            nn.Conv2d(channels, channels // reduction, 1),
            nn.ReLU(),
            nn.Conv2d(channels // reduction, channels, 1),
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

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs, h, w) -> (batch, channels, h, w)."""
        for layer in self.layers:
            x = torch.cat([x, layer(x)], dim=1)
        return x
