"""The entropy of a prediction as a regulariser, softened where the model doubts (eq. 10)."""

import math

from torch import Tensor

from models.networks.uncertainty import entropy_of_logits


def entropy_loss(logits: Tensor) -> Tensor:
    """L_en: mean over pixels of H(sigmoid(s)) in nats, for s (batch, 1, h, w). Source: Yan et al. 2022, Table 4, row 3."""
    return entropy_of_logits(logits).mean()


def calibrated_entropy_loss(logits: Tensor, total: Tensor) -> Tensor:
    """L_c: mean over pixels of H(sigmoid(s / T)) with the temperature T = 1 + U_p / ln 2.

    Args:
        logits: s, (batch, 1, h, w).
        total: U_p of g_gamma, the same shape, in [0, ln 2] nats; no gradient reaches it.

    Returns:
        Scalar in [0, ln 2]. Source: Yan et al. 2022, eq. 10. Departs: T in [1, 2] for T = U_p, because in nats U_p < 1 would sharpen
        everywhere, and most where the model is sure.
    """
    temperature = 1.0 + total.detach() / math.log(2)
    return entropy_loss(logits / temperature)
