"""What training minimises (eq. 2 and 11); the only place where losses are weighted."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from models.networks.latent import DiagonalGaussian
from training.config import Entropy, Objective
from training.losses.boxes import box_projection_loss
from training.losses.calibrated_entropy import calibrated_entropy_loss, entropy_loss
from training.losses.coherence import coherence_loss
from training.losses.structure import structure_loss


class Weights(NamedTuple):
    """Weights of one step: of the divergence, lambda1 of the coherence, lambda2 of the entropy, the boxes'; 0 leaves a term out."""

    kl: float
    coherence: float
    entropy: float
    boxes: float = 0.0


def generator_objective(
    logits: Tensor,
    mask: Tensor,
    posterior: DiagonalGaussian,
    transmission: Tensor,
    total: Tensor | None,
    weights: Weights,
    constants: Objective,
    known: Tensor,
) -> dict[str, Tensor]:
    """Negative evidence lower bound of the generator and the inference model, with the regularisers.

        L = L_bnn(s, y) + kl * sum_d max(free_nats, KL_d) + boxes * L_box(s, y) + lambda1 * L_trans(s, T) + lambda2 * L_c(s, U_p)

    with KL_d that of z_d, and L_box of views that have boxes instead of a mask (`losses.boxes`).

    Args:
        logits, mask: One sample of s, and y, each (batch, 1, h, w).
        posterior: P_omega(z|x).
        transmission: T, the same shape.
        total: U_p of g_gamma, the same shape; needed where the calibrated entropy has a weight. No gradient reaches it.
        weights, constants: Of this step, and of the run; what the latter say of weights is in the former already.
        known: 1.0 where y says the truth, else 0.0; the same shape.

    Returns:
        Scalars by name; `loss` is what is minimised, and a term without a weight is not there. Source: Yan et al. 2022, eq. 2 and 11.
    """
    structure = structure_loss(logits, mask, constants.pool_px, constants.edge_gain, constants.missed_cost, known)
    terms = {"structure": structure, "kl": posterior.kl_to_standard_normal().sum(dim=1).mean()}
    loss = structure + weights.kl * free_nats_divergence(posterior, constants.free_nats)
    if weights.boxes:
        terms["boxes"] = box_projection_loss(logits, mask, known)
        loss = loss + weights.boxes * terms["boxes"]
    if weights.coherence:
        terms["coherence"] = _coherence(logits, transmission, constants)
        loss = loss + weights.coherence * terms["coherence"]
    if weights.entropy:
        terms["entropy"] = _entropy(logits, total, constants.entropy)
        loss = loss + weights.entropy * terms["entropy"]
    return {"loss": loss, **terms}


def free_nats_divergence(posterior: DiagonalGaussian, free_nats: float) -> Tensor:
    """sum_d max(free_nats, mean over the batch of KL_d): the first nats of each dimension cost nothing, so that z is worth using.

    Source: Kingma et al. 2016, «Improved Variational Inference with Inverse Autoregressive Flow», eq. 15. With 0 it is eq. 2's term.
    """
    return posterior.kl_to_standard_normal().mean(dim=0).clamp(min=free_nats).sum()


def _coherence(logits: Tensor, transmission: Tensor, constants: Objective) -> Tensor:
    """Eq. 7 and 8 on both maps reduced to `coherence_scale` of their size."""
    size = [max(constants.kernel_px, round(constants.coherence_scale * side)) for side in logits.shape[2:]]
    prediction = F.interpolate(torch.sigmoid(logits), size, mode="area")
    reduced = F.interpolate(transmission, size, mode="area")
    return coherence_loss(
        prediction, reduced, constants.kernel_px, constants.sigma_position_px, constants.sigma_transmission
    )


def _entropy(logits: Tensor, total: Tensor | None, entropy: Entropy) -> Tensor:
    if entropy == "plain":
        return entropy_loss(logits)
    if total is None:
        raise ValueError("the calibrated entropy needs the estimator's total uncertainty; found none")
    return calibrated_entropy_loss(logits, total)
