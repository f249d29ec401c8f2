"""P_omega(z given x): five convolutions map the image to a Gaussian over the latent."""

import torch.nn.functional as F
from torch import Tensor, nn

from models.networks.blocks import ConvNormAct
from models.networks.latent import DiagonalGaussian

_REDUCTION = 4
_CHANNELS = (16, 32, 32, 64, 64)
_LOG_VARIANCE_LIMIT = 8.0


class InferenceModel(nn.Module):
    """Image -> N(mean, sigma^2) over z (Yan et al. 2022, below eq. 2).

    Departs: the image is reduced four times first, because z holds eight numbers about the whole frame and the full frame costs
    more than the generator's last stage.
    """

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        inputs = (3, *_CHANNELS[:-1])
        self.convolutions = nn.Sequential(
            *(ConvNormAct(i, o, stride=2) for i, o in zip(inputs, _CHANNELS, strict=True))
        )
        self.mean = nn.Linear(_CHANNELS[-1], latent_dim)
        self.log_variance = nn.Linear(_CHANNELS[-1], latent_dim)

    def forward(self, image: Tensor) -> DiagonalGaussian:
        """Normalised image (batch, 3, h, w), any h, w >= 4 -> Gaussian over (batch, latent_dim)."""
        reduced = F.avg_pool2d(image, _REDUCTION)
        pooled = self.convolutions(reduced).mean((2, 3))
        log_variance = self.log_variance(pooled).clamp(-_LOG_VARIANCE_LIMIT, _LOG_VARIANCE_LIMIT)
        return DiagonalGaussian(self.mean(pooled), log_variance)
