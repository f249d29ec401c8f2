"""P_theta(y given x, z): encode an image once, decode it per (z, dropout) sample."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.networks.backbone import Backbone
from models.networks.blocks import ConvNormAct, DenseASPP, ResidualChannelAttention, SingleOutput

MODULATION = "generator.modulation."
"""How the names of z's modulation begin; networks may lack it, for it changes nothing until it has learned."""


class Encoding(NamedTuple):
    """All of a decoding that depends neither on z nor on dropout.

    Attributes:
        lateral: The 3 x 3 convolutions of f1..f3, each (batch, channels, h_k, w_k).
        deep: What f4 contributes to f4', (batch, c4, h_4, w_4); f4 is normalised first.
        summary: Mean of f3 over the image, (batch, c3): what novelty is told by.
        size: Height and width of the image.
    """

    lateral: tuple[Tensor, ...]
    deep: Tensor
    summary: Tensor
    size: tuple[int, int]


class Generator(nn.Module):
    """The Bayesian network of the paper: image and latent -> logits, with dropout before the attention blocks.

    Source: Yan et al. 2022, «Bayesian Neural Network with Latent Variable» and Fig. 2.
    Departs: f4 is normalised before it meets z, because an encoder's features may be a hundred times larger than z, of unit variance,
    which then drowns in them (measured on tf_efficientnet_lite2: 75 against 0.5).

    Args:
        backbone: Gives f1..f4.
        latent_dim: Length of z.
        channels: Width of s1..s4.
        aspp_hidden, aspp_growth: Widths inside DenseASPP.
        dilations: Of DenseASPP, in pixels at its stride.
        stride: At which DenseASPP runs, 4 or 8.
        dropout: Rate after the 3 x 3 convolutions of f1..f3 and f4' (paper: 0.3).
        modulated: z also scales and shifts each channel of s1..s4, by nothing at first: s' = (1 + a(z)) s + b(z), with a and b linear
            (Perez et al. 2018, «FiLM: Visual Reasoning with a General Conditioning Layer», eq. 2).
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        latent_dim: int,
        channels: int,
        aspp_hidden: int,
        aspp_growth: int,
        dilations: Sequence[int],
        stride: int,
        dropout: float,
        modulated: bool = False,
    ) -> None:
        super().__init__()
        if stride not in (4, 8):
            raise ValueError(f"the decoder's stride is {stride}, expected 4 or 8")
        *shallow, deepest = backbone.channels
        self.stride = stride
        self.backbone = backbone
        self.lateral = nn.ModuleList(ConvNormAct(inputs, channels) for inputs in shallow)
        self.deep_feature_norm = nn.BatchNorm2d(deepest, affine=False)
        self.deep_from_feature = nn.Conv2d(deepest, deepest, 3, padding=1, bias=False)
        self.deep_from_latent = nn.Conv2d(latent_dim, deepest, 3, padding=1, bias=False)
        _start_as_one(self.deep_from_feature, self.deep_from_latent)
        self.deep_norm_act = nn.Sequential(nn.BatchNorm2d(deepest), nn.LeakyReLU(0.1))
        self.deep_lateral = ConvNormAct(deepest, channels)
        self.dropout = nn.Dropout(dropout)
        self.attention = nn.ModuleList(ResidualChannelAttention(channels) for _ in backbone.channels)
        self.modulation = _no_modulation(latent_dim, 2 * len(backbone.channels) * channels) if modulated else None
        self.aspp = DenseASPP(len(backbone.channels) * channels, aspp_hidden, aspp_growth, dilations)
        self.head = SingleOutput(self.aspp.channels)

    def encode(self, image: Tensor) -> Encoding:
        """Normalised image (batch, 3, h, w) -> what all its samples share."""
        *shallow, deepest = self.backbone(image)
        lateral = tuple(convolution(feature) for convolution, feature in zip(self.lateral, shallow, strict=True))
        height, width = image.shape[2:]
        deep = self.deep_from_feature(self.deep_feature_norm(deepest))
        return Encoding(lateral, deep, shallow[-1].mean((2, 3)), (height, width))

    def decode(self, encoding: Encoding, latent: Tensor) -> Tensor:
        """One sample: (encoding, z (batch, latent_dim)) -> logits (batch, 1, h, w).

        The 3 x 3 convolution over [f4, z] is split by linearity: its part on f4 stands in the encoding.
        """
        tiled = latent[:, :, None, None].expand(-1, -1, *encoding.deep.shape[2:])
        deep = self.deep_norm_act(encoding.deep + self.deep_from_latent(tiled))
        lateral = (*encoding.lateral, self.deep_lateral(deep))
        attended = [attend(self.dropout(x)) for attend, x in zip(self.attention, lateral, strict=True)]
        if self.modulation is not None:
            attended = _modulate(attended, self.modulation(latent))
        logits = self.head(self.aspp(self._at_one_size(attended)))
        return F.interpolate(logits, encoding.size, mode="bilinear", align_corners=False)

    def forward(self, image: Tensor, latent: Tensor) -> Tensor:
        """(normalised image (batch, 3, h, w), z (batch, latent_dim)) -> logits (batch, 1, h, w)."""
        return self.decode(self.encode(image), latent)

    def _at_one_size(self, pyramid: list[Tensor]) -> list[Tensor]:
        """s1..s4 at the decoder's stride: four of (batch, channels, h / stride, w / stride)."""
        finest = pyramid[0] if self.stride == 4 else F.avg_pool2d(pyramid[0], 2, ceil_mode=True)
        size = finest.shape[2:]
        resized = [F.interpolate(s, size, mode="bilinear", align_corners=False) for s in pyramid[1:]]
        return [finest, *resized]


def _modulate(pyramid: list[Tensor], values: Tensor) -> list[Tensor]:
    """s1..s4, each (batch, channels, h_k, w_k), scaled and shifted by (batch, 8 * channels) values: a and b of s1, of s2, ..."""
    scales_shifts = values[:, :, None, None].chunk(2 * len(pyramid), dim=1)
    return [
        s * (1.0 + scale) + shift
        for s, scale, shift in zip(pyramid, scales_shifts[::2], scales_shifts[1::2], strict=True)
    ]


def _no_modulation(latent_dim: int, values: int) -> nn.Linear:
    """z -> 0, until it learns."""
    layer = nn.Linear(latent_dim, values)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


@torch.no_grad()
def _start_as_one(*parts: nn.Conv2d) -> None:
    """Scale the weights of convolutions whose outputs are summed to those of the one convolution over all their inputs.

    Alone, each starts uniform in +-1 / sqrt(its fan-in), so that the few channels of z would weigh far more than those of f4.
    """
    together = sum(part.weight[0].numel() for part in parts)
    for part in parts:
        part.weight.mul_((part.weight[0].numel() / together) ** 0.5)
