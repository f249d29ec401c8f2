"""Entropy in nats and its decomposition into what is ambiguous and what is not known (Yan et al. 2022, eq. 5 and below)."""

from typing import NamedTuple

import torch
from torch import Tensor


class Uncertainty(NamedTuple):
    """total = aleatoric + epistemic, each in [0, ln 2] nats and of one shape."""

    total: Tensor
    aleatoric: Tensor
    epistemic: Tensor


def binary_entropy(probability: Tensor) -> Tensor:
    """H(p) = -p log p - (1 - p) log(1 - p), in nats, of the same shape; H(0) = H(1) = 0, H(1/2) = ln 2."""
    return _entropy_term(probability) + _entropy_term(1.0 - probability)


def _entropy_term(probability: Tensor) -> Tensor:
    """-p log p, 0 at 0; `torch.special.entr` is the same and becomes ten operators in ONNX instead of four."""
    return -probability * probability.clamp(min=torch.finfo(probability.dtype).tiny).log()


def entropy_of_logits(logits: Tensor) -> Tensor:
    """H(sigmoid(s)) = softplus(s) - s sigmoid(s), in nats, of the same shape: as `binary_entropy`, with a finite slope everywhere."""
    return torch.nn.functional.softplus(logits) - logits * torch.sigmoid(logits)


def decompose(samples: Tensor) -> Uncertainty:
    """Split the doubt of Monte Carlo samples.

        p_mu = 1/B sum_b p_b,   U_p = H(p_mu),   U_a = 1/B sum_b H(p_b),   U_e = U_p - U_a

    Args:
        samples: Probabilities (B, ...), one row per sample of weights and z.

    Returns:
        Uncertainty of shape (...). U_e is the mutual information, >= 0 by concavity; rounding below 0 is cut off.
    """
    total = binary_entropy(samples.mean(dim=0))
    aleatoric = torch.minimum(binary_entropy(samples).mean(dim=0), total)
    return Uncertainty(total, aleatoric, total - aleatoric)
