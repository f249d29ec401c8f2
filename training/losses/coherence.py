"""The transmission-guided local coherence loss: near pixels seen through the same haze get the same prediction (eq. 7, 8).

Every pair of neighbours stands twice in the sum of eq. 7, once from each end. The kernel g and the distance D are the same from
both; only (1 - T) / w differs. So half of the neighbourhood, as shifted differences, is enough.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

Shift = tuple[int, int]

_LEAST = 1e-20
"""Of w(m): a pixel unlike all of its neighbours has kernels that underflow to 0, and is to be like none of them."""


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
    loss: Tensor = _Coherence.apply(prediction, transmission, kernel_px, sigma_position_px, sigma_transmission)
    return loss


class _Coherence(torch.autograd.Function):
    """The loss and its slope in one pass over the pairs: on a CPU image by image, so that what is worked on stays in the cache."""

    @staticmethod
    def forward(
        context: Any,  # noqa: ANN401 - torch names no type
        prediction: Tensor,
        transmission: Tensor,
        kernel_px: int,
        sigma_position_px: float,
        sigma_transmission: float,
    ) -> Tensor:
        slope = torch.zeros_like(prediction)
        total = prediction.new_zeros(())
        size = 1 if prediction.device.type == "cpu" else len(prediction)
        parts = (torch.split(maps, size) for maps in (prediction, transmission, slope))
        for part, haze, own in zip(*parts, strict=True):
            total += _add_pairs(part, haze, own, kernel_px, sigma_position_px, sigma_transmission)
        context.save_for_backward(slope / prediction.numel())
        return total / prediction.numel()

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        (slope,) = context.saved_tensors
        return gradients[0] * slope, None, None, None, None


def _add_pairs(
    prediction: Tensor,
    transmission: Tensor,
    slope: Tensor,
    kernel_px: int,
    sigma_position_px: float,
    sigma_transmission: float,
) -> Tensor:
    """Sum over all pairs of some images, (n, 1, h, w) each; its slope with respect to the prediction is added to `slope`.

    A pair m, n counts twice, with the weight of either end: (1 - T(m)) W(m, n) + (1 - T(n)) W(n, m), g being symmetric.
    """
    shifts = list(half_neighbourhood(kernel_px))
    kernels = [_kernel(transmission, shift, sigma_position_px, sigma_transmission) for shift in shifts]
    weight = (1.0 - transmission) / _normaliser(transmission, kernels, shifts).clamp(min=_LEAST)
    total = prediction.new_zeros(())
    for shift, kernel in zip(shifts, kernels, strict=True):
        here, there = _ends(prediction, shift)
        weight_here, weight_there = _ends(weight, shift)
        slope_here, slope_there = _ends(slope, shift)
        pair = (weight_here + weight_there).mul_(kernel)
        difference = here - there
        signed = pair.mul_(difference.sign())
        total += torch.dot(signed.flatten(), difference.flatten())
        slope_here += signed
        slope_there -= signed
    return total


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
    return (here - there).square_().mul_(-0.5 / sigma_transmission**2).sub_(position).exp_()


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
    height, width = values.shape[-2:]
    columns_here = slice(max(0, -right), width - max(0, right))
    columns_there = slice(max(0, right), width - max(0, -right))
    return values[..., : height - down, columns_here], values[..., down:, columns_there]
