"""The transmission-guided local coherence loss: near pixels seen through the same haze get the same prediction (eq. 7, 8).

Every pair of neighbours stands twice in the sum of eq. 7, once from each end. The kernel g and the distance D are the same from
both; only (1 - T) / w differs. So half of the neighbourhood, as shifted differences, is enough.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

Shift = tuple[int, int]


def coherence_loss(
    prediction: Tensor,
    transmission: Tensor,
    kernel_px: int = 5,
    sigma_position_px: float = 3.0,
    sigma_transmission: float = 0.1,
) -> Tensor:
    """L_trans = mean_m (1 - T(m)) sum_{n in K_m} W(m, n) D(m, n), D(m, n) = |p(m) - p(n)|.

        W(m, n) = g(m, n) / w(m),   w(m) = sum_{n in K_m} g(m, n)
        g(m, n) = exp(-|P(m) - P(n)|^2 / (2 sigma_P^2) - |T(m) - T(n)|^2 / (2 sigma_T^2))

    Args:
        prediction: p, (batch, 1, h, w) in [0, 1].
        transmission: T, the same shape, in [0, 1]; no gradient reaches it.
        kernel_px: Odd side of the neighbourhood K_m; neighbours outside the image and m itself are no part of it.
        sigma_position_px, sigma_transmission: Bandwidths of the kernel.

    Returns:
        Scalar >= 0, the mean over pixels and batch, so that it does not depend on the image's size.
        Source: Yan et al. 2022, eq. 7 and 8. Departs: a mean for the sum over m.
    """
    shifts = list(half_neighbourhood(kernel_px))
    with torch.no_grad():
        kernels = [_kernel(transmission, shift, sigma_position_px, sigma_transmission) for shift in shifts]
        weight = (1.0 - transmission) / _normaliser(transmission, kernels, shifts)
    total = prediction.new_zeros(())
    for shift, kernel in zip(shifts, kernels, strict=True):
        here, there = _ends(prediction, shift)
        weight_here, weight_there = _ends(weight, shift)
        total = total + ((weight_here + weight_there) * kernel * (here - there).abs()).sum()
    return total / prediction.numel()


def half_neighbourhood(kernel_px: int) -> Iterator[Shift]:
    """One shift (down, right) of each pair +-(down, right) in a kernel_px square without its centre."""
    reach = kernel_px // 2
    for down in range(reach + 1):
        for right in range(-reach, reach + 1):
            if down > 0 or right > 0:
                yield down, right


def _kernel(transmission: Tensor, shift: Shift, sigma_position_px: float, sigma_transmission: float) -> Tensor:
    """g(m, m + shift) for every m whose neighbour lies in the image."""
    here, there = _ends(transmission, shift)
    position = (shift[0] ** 2 + shift[1] ** 2) / (2.0 * sigma_position_px**2)
    return torch.exp(-position - (here - there).square() / (2.0 * sigma_transmission**2))


def _normaliser(transmission: Tensor, kernels: list[Tensor], shifts: list[Shift]) -> Tensor:
    """w(m): each kernel counts for both of its ends."""
    total = torch.zeros_like(transmission)
    for shift, kernel in zip(shifts, kernels, strict=True):
        here, there = _ends(total, shift)
        here += kernel
        there += kernel
    return total


def _ends(values: Tensor, shift: Shift) -> tuple[Tensor, Tensor]:
    """Views of all pixels m and of their neighbours m + shift, for the pairs that lie in the image."""
    down, right = shift
    height, width = values.shape[2:]
    columns_here = slice(max(0, -right), width - max(0, right))
    columns_there = slice(max(0, right), width - max(0, -right))
    return values[..., : height - down, columns_here], values[..., down:, columns_there]
