"""g_gamma(x, s): the Monte Carlo uncertainties of a prediction, in one pass and without sampling."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.networks.blocks import ConvNormAct
from models.networks.uncertainty import Uncertainty, binary_entropy


class UncertaintyEstimator(nn.Module):
    """Image and prediction -> total and aleatoric uncertainty: a shared encoder of five convolutions, two decoders of three.

    Source: Yan et al. 2022, «Uncertainty Estimation Network» (eq. 6).
    Departs: total = ln 2 * sigmoid(a) and aleatoric = total * sigmoid(b), because then 0 <= aleatoric <= total <= ln 2 holds by
    construction; the encoder has stride 4, because the prediction itself has no finer detail; H(s) joins s as an input, because it
    is the answer where all samples agree, and the network need only learn where they do not.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            ConvNormAct(5, channels // 2, stride=2),
            ConvNormAct(channels // 2, channels, stride=2),
            ConvNormAct(channels, channels),
            ConvNormAct(channels, channels, dilation=2),
            ConvNormAct(channels, channels, dilation=4),
        )
        self.total = _decoder(channels)
        self.aleatoric = _decoder(channels)

    def forward(self, image: Tensor, probability: Tensor) -> Uncertainty:
        """(normalised image (batch, 3, h, w), s (batch, 1, h, w) in [0, 1]) -> Uncertainty, each (batch, 1, h, w) in nats."""
        entropy = binary_entropy(probability) / math.log(2)
        encoded = self.encoder(torch.cat([image, probability, entropy], dim=1))
        total = math.log(2) * torch.sigmoid(_resize(self.total(encoded), image))
        aleatoric = total * torch.sigmoid(_resize(self.aleatoric(encoded), image))
        return Uncertainty(total, aleatoric, total - aleatoric)


def _decoder(channels: int) -> nn.Sequential:
    """Three convolutions to one value a pixel; the last has neither normalisation nor activation."""
    half = channels // 2
    return nn.Sequential(ConvNormAct(channels, half), ConvNormAct(half, half), nn.Conv2d(half, 1, 3, padding=1))


def _resize(values: Tensor, image: Tensor) -> Tensor:
    return F.interpolate(values, image.shape[2:], mode="bilinear", align_corners=False)
