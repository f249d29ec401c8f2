"""A Gaussian with diagonal covariance over the latent z: the one home of sigma = exp(log_variance / 2)."""

from typing import NamedTuple

import torch
from torch import Tensor


class DiagonalGaussian(NamedTuple):
    """N(mean, diag(exp(log_variance))), both (batch, latent_dim)."""

    mean: Tensor
    log_variance: Tensor

    @property
    def std(self) -> Tensor:
        """sigma = exp(log_variance / 2), (batch, latent_dim)."""
        return torch.exp(0.5 * self.log_variance)

    def sample(self) -> Tensor:
        """z = mean + sigma * epsilon, epsilon ~ N(0, I), reparameterised (Yan et al. 2022, below eq. 2): (batch, latent_dim)."""
        return self.mean + self.std * torch.randn_like(self.mean)

    def kl_to_standard_normal(self) -> Tensor:
        """1/2 (mean^2 + sigma^2 - 1 - log sigma^2) of each latent dimension, in nats; their sum is KL(N(mean, sigma^2) || N(0, I)).

        Returns:
            (batch, latent_dim), >= 0. Source: Yan et al. 2022, eq. 2, second term; Kingma and Welling 2014, appendix B.
        """
        return 0.5 * (self.mean.square() + self.log_variance.exp() - 1.0 - self.log_variance)
