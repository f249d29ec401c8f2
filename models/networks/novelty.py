"""How unlike its training frames a frame is: a Gaussian over the means of a deep feature.

Source: Lee et al. 2018, «A Simple Unified Framework for Detecting Out-of-Distribution Samples and Adversarial Attacks», eq. 2, with one
class; Mukhoti et al. 2023, «Deep Deterministic Uncertainty», take such a density for epistemic uncertainty.
"""

import torch
from torch import Tensor, nn

_SHRINKAGE = 0.1
"""Share of the unit matrix in the correlations: what hardly varies over training frames must not decide alone."""

_LEAST_DEVIATION = 0.01
"""Of the largest: a channel that no training frame moved is no proof that all others are strange."""


class Novelty(nn.Module):
    """Mahalanobis distance of a frame's features to those of the training frames.

        novelty = (m - mu)^T S^-1 (m - mu) / k,   S = D ((1 - a) R + a I) D

    m is the mean of a feature with c channels over the frame; mu, D and R are mean, standard deviations and correlations of m over
    training frames, a is `_SHRINKAGE`; k makes novelty 1 in the mean over those.

    Args:
        channels: c.

    Attributes:
        fitted: Whether it has seen training frames; before, it knows nothing.
    """

    mean: Tensor
    whitening: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        # Not in the state: runs of earlier versions go on. A checkpoint keeps them beside it.
        self.register_buffer("mean", torch.zeros(channels), persistent=False)
        self.register_buffer("whitening", torch.zeros(channels, channels), persistent=False)
        self.fitted = False

    def fit(self, features: Tensor, weights: Tensor) -> None:
        """Take in training frames.

        Args:
            features: m of each, (frames, c).
            weights: How much each counts, (frames,), above 0.
        """
        features, shares = features.double(), (weights / weights.sum()).double()[:, None]
        mean = (shares * features).sum(0)
        deviation = (shares * (features - mean) ** 2).sum(0).sqrt()
        deviation = deviation.clamp(min=_LEAST_DEVIATION * float(deviation.max()))
        unit = (features - mean) / deviation
        correlation = (1.0 - _SHRINKAGE) * unit.T @ (shares * unit) + _SHRINKAGE * torch.eye(
            len(mean), dtype=torch.double
        )
        # With L^-1 the distance is the length of a vector: no negative one by rounding.
        whitening = torch.linalg.inv(torch.linalg.cholesky(correlation)) / deviation
        distances = ((features - mean) @ whitening.T).square().mean(1, keepdim=True)
        self.set(mean, whitening / (shares * distances).sum().sqrt())

    def set(self, mean: Tensor, whitening: Tensor) -> None:
        """What an earlier `fit` found: mu (c,), and L^-1 D^-1 (c, c) of R = L L^T."""
        self.mean.copy_(mean)
        self.whitening.copy_(whitening)
        self.fitted = True

    def forward(self, features: Tensor) -> Tensor:
        """m (batch, c) -> novelty (batch,), at least 0."""
        return torch.mean(((features - self.mean) @ self.whitening.T) ** 2, dim=1)
