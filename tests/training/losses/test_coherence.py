"""The coherence loss against four plain loops, its gradient, and what it must leave alone."""

import math

import pytest
import torch
from torch import Tensor

from training.losses.coherence import coherence_loss, half_neighbourhood


def naive(prediction: Tensor, transmission: Tensor, kernel_px: int, sigma_p: float, sigma_t: float) -> float:
    """Eq. 7 and 8 read aloud: for every pixel, for every neighbour in the image."""
    batch, _, height, width = prediction.shape
    reach = kernel_px // 2
    total = 0.0
    for b in range(batch):
        p, t = prediction[b, 0], transmission[b, 0]
        for y in range(height):
            for x in range(width):
                weights, distances = [], []
                for v in range(max(0, y - reach), min(height, y + reach + 1)):
                    for u in range(max(0, x - reach), min(width, x + reach + 1)):
                        if (v, u) != (y, x):
                            near = ((v - y) ** 2 + (u - x) ** 2) / (2 * sigma_p**2)
                            weights.append(math.exp(-near - float(t[y, x] - t[v, u]) ** 2 / (2 * sigma_t**2)))
                            distances.append(abs(float(p[y, x] - p[v, u])))
                mean = sum(w * d for w, d in zip(weights, distances, strict=True)) / sum(weights)
                total += (1.0 - float(t[y, x])) * mean
    return total / prediction.numel()


def maps(seed: int, *shape: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.rand(shape, dtype=torch.float64, generator=generator) for _ in range(2))


@pytest.mark.parametrize("kernel_px", [3, 5])
def test_it_equals_eq_7_and_8_in_plain_loops_borders_included(kernel_px: int):
    prediction, transmission = maps(0, 2, 1, 7, 9)
    found = coherence_loss(prediction, transmission, kernel_px, 3.0, 0.1)
    assert float(found) == pytest.approx(naive(prediction, transmission, kernel_px, 3.0, 0.1), abs=1e-6)


def test_half_of_a_5_x_5_neighbourhood_is_twelve_shifts_and_no_pair_stands_twice():
    shifts = set(half_neighbourhood(5))
    assert len(shifts) == 12
    assert not shifts & {(-down, -right) for down, right in shifts}


def test_a_constant_prediction_costs_nothing():
    _, transmission = maps(1, 1, 1, 8, 8)
    assert float(coherence_loss(torch.full_like(transmission, 0.3), transmission)) == 0.0


def test_clear_air_costs_nothing_and_haze_does():
    prediction, _ = maps(2, 1, 1, 8, 8)
    assert float(coherence_loss(prediction, torch.ones_like(prediction))) == 0.0
    assert float(coherence_loss(prediction, torch.zeros_like(prediction))) > 0.1


def test_its_gradient_is_that_of_finite_differences():
    prediction, transmission = maps(3, 1, 1, 5, 6)
    assert torch.autograd.gradcheck(lambda p: coherence_loss(p, transmission), prediction.requires_grad_())


def test_two_calls_give_the_same_value_and_leave_the_inputs_bit_equal():
    prediction, transmission = maps(4, 1, 1, 8, 8)
    before = prediction.clone(), transmission.clone()
    first, second = coherence_loss(prediction, transmission), coherence_loss(prediction, transmission)
    assert torch.equal(first, second)
    assert torch.equal(prediction, before[0])
    assert torch.equal(transmission, before[1])


def test_no_gradient_reaches_the_transmission_map():
    prediction, transmission = maps(5, 1, 1, 6, 6)
    coherence_loss(prediction.requires_grad_(), transmission.requires_grad_()).backward()
    assert prediction.grad is not None
    assert transmission.grad is None


def test_a_pixel_unlike_all_of_its_neighbours_is_to_be_like_none_of_them():
    transmission = torch.ones(1, 1, 9, 9)
    transmission[..., 4, 4] = 0.0
    prediction = torch.rand(1, 1, 9, 9, requires_grad=True)
    # exp(-1 / (2 * 0.05^2)) is less than the least number of 32 bits.
    loss = coherence_loss(prediction, transmission, sigma_transmission=0.05)
    loss.backward()
    assert loss.item() == 0.0
    assert prediction.grad is not None
    assert torch.isfinite(prediction.grad).all()
