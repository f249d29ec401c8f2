"""What each phase minimises; the only place where losses are weighted."""

from torch import Tensor

from models.networks.latent import DiagonalGaussian
from training.losses.structure import structure_loss


def generator_objective(
    logits: Tensor, mask: Tensor, posterior: DiagonalGaussian, kl_weight: float
) -> dict[str, Tensor]:
    """Negative evidence lower bound of the generator and the inference model.

        L(theta, omega; x) = E_{z ~ P_omega(z|x)}[L_bnn(s, y)] + kl_weight * KL(P_omega(z|x) || N(0, I))

    Args:
        logits: One sample of s, (batch, 1, h, w).
        mask: y, the same shape.
        posterior: P_omega(z|x); the divergence is summed over z and averaged over the batch.
        kl_weight: Weight of the divergence, annealed by the caller.

    Returns:
        Scalars by name; `loss` is what is minimised. Source: Yan et al. 2022, eq. 2 and 4.
    """
    structure = structure_loss(logits, mask)
    divergence = posterior.kl_to_standard_normal().sum(dim=1).mean()
    return {"loss": structure + kl_weight * divergence, "structure": structure, "kl": divergence}
