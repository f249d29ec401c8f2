"""The uncertainty consistency loss (eq. 6)."""

import torch.nn.functional as F
from torch import Tensor

from models.networks.uncertainty import Uncertainty


def estimator_loss(estimated: Uncertainty, sampled: Uncertainty) -> Tensor:
    """L_un = 1/2 (mse(U_p, U_p^) + mse(U_a, U_a^)), in nats squared.

    Args:
        estimated: Output of g_gamma, each (batch, 1, h, w).
        sampled: Monte Carlo targets of the same shape; no gradient reaches them.

    Returns:
        Scalar >= 0. Source: Yan et al. 2022, eq. 6.
    """
    total = F.mse_loss(estimated.total, sampled.total.detach())
    aleatoric = F.mse_loss(estimated.aleatoric, sampled.aleatoric.detach())
    return 0.5 * (total + aleatoric)
