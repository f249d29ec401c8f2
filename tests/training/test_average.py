"""The moving average at steps where it is known."""

import pytest
import torch
from torch import nn

from training.average import moving_average


def module(value: float) -> nn.BatchNorm1d:
    made = nn.BatchNorm1d(1)
    with torch.no_grad():
        made.weight.fill_(value)
        made.running_mean.fill_(10 * value)
        made.num_batches_tracked.fill_(int(value))
    return made


def test_the_first_update_is_a_copy():
    average = moving_average(module(5.0), 0.9)
    average.update_parameters(module(2.0))
    assert average.module.weight.item() == 2.0
    assert average.module.running_mean.item() == 20.0


def test_weights_and_buffers_move_with_a_decay_that_starts_low():
    average = moving_average(module(0.0), 0.9)
    for value in (0.0, 1.0, 1.0):
        average.update_parameters(module(value))
    # The decays of the second and third update are 2/11 and 3/12.
    expected = 1.0 - (2 / 11) * (3 / 12)
    assert average.module.weight.item() == pytest.approx(expected)
    assert average.module.running_mean.item() == pytest.approx(10 * expected)
    assert average.module.num_batches_tracked.item() == 1


def test_the_decay_ends_at_its_limit():
    average = moving_average(module(0.0), 0.5)
    for _ in range(50):
        average.update_parameters(module(0.0))
    average.update_parameters(module(1.0))
    assert average.module.weight.item() == pytest.approx(0.5)


def test_averaging_leaves_the_module_alone():
    trained = module(3.0)
    average = moving_average(trained, 0.9)
    average.update_parameters(trained)
    average.update_parameters(module(1.0))
    assert trained.weight.item() == 3.0
    assert average.module is not trained


def test_the_counter_is_saved_so_that_the_decay_goes_on():
    average, resumed = moving_average(module(0.0), 0.9), moving_average(module(7.0), 0.9)
    for _ in range(5):
        average.update_parameters(module(0.0))
    resumed.load_state_dict(average.state_dict())
    for one in (average, resumed):
        one.update_parameters(module(1.0))
    assert resumed.module.weight.item() == average.module.weight.item() == pytest.approx(1 - 6 / 15)
