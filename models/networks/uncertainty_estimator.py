"""g_gamma(x, s): the Monte Carlo uncertainties of a prediction, in one pass and without sampling."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.networks.blocks import ConvNormAct
from models.networks.uncertainty import Uncertainty, binary_entropy

_LEAST_DOUBT = 1e-7
"""H(s) / ln 2 is held this far from 0 and 1, where its logit has no end; held further off, sure pixels lose their order."""


class UncertaintyEstimator(nn.Module):
    """Image and prediction -> total and aleatoric uncertainty: a shared encoder of five convolutions, two decoders of three.

    Source: Yan et al. 2022, «Uncertainty Estimation Network» (eq. 6).
    Departs: total = ln 2 * sigmoid(a + logit(H(s) / ln 2)) and aleatoric = total * sigmoid(b), because then
    0 <= aleatoric <= total <= ln 2 holds by construction, and a = 0 says H(s), which is the answer where all samples agree: the
    network need only learn where they do not. H(s) joins s as an input. The encoder has stride 4, because the prediction itself has
    no finer detail.
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
        self.total = _decoder(channels, first_guess=0.0)
        self.aleatoric = _decoder(channels, first_guess=2.0)

    def forward(self, image: Tensor, probability: Tensor) -> Uncertainty:
        """(normalised image (batch, 3, h, w), s (batch, 1, h, w) in [0, 1]) -> Uncertainty, each (batch, 1, h, w) in nats."""
        entropy = binary_entropy(probability) / math.log(2)
        encoded = self.encoder(torch.cat([image, probability, entropy], dim=1))
        held = entropy.clamp(_LEAST_DOUBT, 1.0 - _LEAST_DOUBT)
        agreed = torch.log(held / (1.0 - held))
        total = math.log(2) * torch.sigmoid(_resize(self.total(encoded), image) + agreed)
        aleatoric = total * torch.sigmoid(_resize(self.aleatoric(encoded), image))
        return Uncertainty(total, aleatoric, total - aleatoric)


def _decoder(channels: int, first_guess: float) -> nn.Sequential:
    """Three convolutions to one value a pixel, near `first_guess` at first; the last has neither normalisation nor activation."""
    half = channels // 2
    last = nn.Conv2d(half, 1, 3, padding=1)
    nn.init.normal_(last.weight, std=0.01)
    assert last.bias is not None  # noqa: S101 - for mypy
    nn.init.constant_(last.bias, first_guess)
    return nn.Sequential(ConvNormAct(channels, half), ConvNormAct(half, half), last)


def _resize(values: Tensor, image: Tensor) -> Tensor:
    return F.interpolate(values, image.shape[2:], mode="bilinear", align_corners=False)
