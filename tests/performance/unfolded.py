"""The coherence loss as the authors' code and most others write it: every neighbourhood unfolded into a copy. To compare with."""

import torch
import torch.nn.functional as F
from torch import Tensor


def unfolded_coherence(
    prediction: Tensor,
    transmission: Tensor,
    kernel_px: int = 5,
    sigma_position_px: float = 3.0,
    sigma_transmission: float = 0.1,
) -> Tensor:
    """Eq. 7 and 8 with the arguments and the value of `training.losses.coherence.coherence_loss`."""
    reach = kernel_px // 2
    inside = _neighbours(torch.ones_like(prediction), kernel_px)
    offsets = torch.arange(-reach, reach + 1, dtype=prediction.dtype)
    squared = (offsets[:, None] ** 2 + offsets[None, :] ** 2).reshape(1, -1, 1, 1)
    position = torch.exp(-squared / (2.0 * sigma_position_px**2))
    difference = _neighbours(transmission, kernel_px) - transmission
    kernel = inside * position * torch.exp(-difference.square() / (2.0 * sigma_transmission**2))
    kernel = torch.where(squared == 0, 0.0, kernel)
    weight = kernel / kernel.sum(dim=1, keepdim=True)
    distance = (_neighbours(prediction, kernel_px) - prediction).abs()
    return ((1.0 - transmission) * (weight * distance).sum(dim=1, keepdim=True)).mean()


def _neighbours(values: Tensor, kernel_px: int) -> Tensor:
    """(batch, 1, h, w) -> (batch, kernel_px^2, h, w), zero outside the image."""
    batch, _, height, width = values.shape
    copies = F.unfold(values, kernel_px, padding=kernel_px // 2)
    return copies.view(batch, kernel_px**2, height, width)
