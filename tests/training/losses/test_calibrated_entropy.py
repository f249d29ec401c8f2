"""The calibrated entropy where its value is known."""

import math

import pytest
import torch

from models.networks.uncertainty import binary_entropy
from training.losses.calibrated_entropy import calibrated_entropy_loss, entropy_loss

LOGITS = torch.linspace(-6, 6, 25, dtype=torch.float64).view(1, 1, 5, 5)


def test_the_plain_entropy_is_that_of_the_sigmoid():
    assert float(entropy_loss(LOGITS)) == pytest.approx(float(binary_entropy(torch.sigmoid(LOGITS)).mean()), abs=1e-12)


def test_without_doubt_it_is_the_plain_entropy():
    assert torch.equal(calibrated_entropy_loss(LOGITS, torch.zeros_like(LOGITS)), entropy_loss(LOGITS))


def test_full_doubt_halves_the_logits():
    doubt = torch.full_like(LOGITS, math.log(2))
    assert float(calibrated_entropy_loss(LOGITS, doubt)) == pytest.approx(float(entropy_loss(LOGITS / 2)), abs=1e-12)


def test_doubt_weakens_the_pull_towards_0_and_1():
    pulls = []
    for total in (0.0, math.log(2)):
        logits = torch.full((1, 1, 1, 1), 1.0, dtype=torch.float64, requires_grad=True)
        calibrated_entropy_loss(logits, torch.full_like(logits, total)).backward()
        pulls.append(abs(float(logits.grad)))
    assert pulls[1] < 0.6 * pulls[0]


def test_no_gradient_reaches_the_estimated_doubt():
    logits, total = LOGITS.clone().requires_grad_(), torch.full_like(LOGITS, 0.2).requires_grad_()
    calibrated_entropy_loss(logits, total).backward()
    assert logits.grad is not None
    assert total.grad is None


def test_value_and_gradient_are_finite_for_saturated_logits():
    logits = torch.tensor([-1e4, -80.0, 0.0, 80.0, 1e4], requires_grad=True)
    loss = calibrated_entropy_loss(logits, torch.zeros(5))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()
