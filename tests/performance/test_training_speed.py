"""Training's own ways beside the usual ones: the same value, sooner and in less memory; `training_speed` prints all."""

import sys

import pytest
import torch

from tests.performance.training_speed import coherence_memory, coherence_speed, deployed_speed, sampling_speed
from tests.performance.unfolded import unfolded_coherence
from tests.training.conftest import tiny
from training.losses.coherence import coherence_loss

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kernel_px", [3, 5])
def test_the_unfolded_loss_that_is_compared_with_has_the_same_value_and_slope(kernel_px):
    slopes = []
    prediction, transmission = torch.rand(2, 2, 1, 13, 9, dtype=torch.float64)
    for loss in (coherence_loss, unfolded_coherence):
        own = prediction.clone().requires_grad_()
        value = loss(own, transmission, kernel_px)
        value.backward()
        slopes.append((value.item(), own.grad))
    assert slopes[0][0] == pytest.approx(slopes[1][0], rel=1e-12)
    assert torch.allclose(slopes[0][1], slopes[1][1], atol=1e-12)


def test_shifted_differences_are_faster_than_unfolded_copies():
    assert coherence_speed(2, 240, rounds=3) > 1.5


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is read from /proc")
def test_shifted_differences_take_less_than_half_of_the_memory():
    assert coherence_memory(4, 320) > 2.0


def test_samples_that_share_their_encoding_are_faster_than_full_passes():
    assert sampling_speed(tiny("data.size_px=128"), 20, rounds=3) > 1.0


def test_one_pass_is_faster_than_sampling():
    assert deployed_speed(tiny("data.size_px=128"), 50, rounds=3) > 3.0
