"""Who learns at which step, and how fast."""

import pytest
import torch
from lightning_fabric import Fabric
from torch import nn

from training.config import Optimiser
from training.data.batches import Batch
from training.engine.optimiser import (
    Learner,
    build_optimiser,
    linear_warmup,
    moving_average,
    rate_factor,
)
from training.engine.step import NonFiniteLossError

BATCH = [Batch(torch.ones(1, 4), torch.ones(1), torch.ones(1), torch.ones(1), ["one.png"])]
SETTINGS = Optimiser(learning_rate=0.5, encoder_learning_rate=0.5, warmup_steps=0, final_fraction=1.0)


def learner(every: int = 1, scale: float = 1.0) -> Learner:
    line = torch.nn.Linear(4, 1)
    groups = [{"params": list(line.parameters()), "base_rate": 0.5, "lr": 0.5, "weight_decay": 0.0}]
    optimiser = build_optimiser(groups, SETTINGS)

    def terms(module: torch.nn.Module, batch: Batch, _: int) -> dict[str, torch.Tensor]:
        return {"loss": scale * module(batch.image).square().mean()}

    made = Learner("line", line, terms, SETTINGS, optimiser, every)
    made.set_up(Fabric(accelerator="cpu"))
    return made


def test_it_learns_at_the_last_of_so_many_steps_and_says_nothing_at_the_others():
    line, fabric = learner(every=3), Fabric(accelerator="cpu")
    told = []
    for step in range(7):
        before = line.module.weight.clone()
        numbers = line.step(fabric, BATCH, step, steps=7)
        told.append(bool(numbers))
        assert torch.equal(before, line.module.weight) is not told[-1]
    assert told == [False, False, True, False, False, True, False]


def test_its_numbers_are_its_terms_and_its_rate():
    numbers = learner().step(Fabric(accelerator="cpu"), BATCH, 0, steps=7)
    assert set(numbers) == {"loss", "learning_rate"}
    assert numbers["learning_rate"] == 0.5


def test_a_loss_that_is_no_number_teaches_nothing():
    line = learner(scale=float("inf"))
    before = line.module.weight.clone()
    with pytest.raises(NonFiniteLossError, match=r"step 4: loss is not finite; batch: one\.png"):
        line.step(Fabric(accelerator="cpu"), BATCH, 4, steps=7)
    assert torch.equal(before, line.module.weight)


def test_the_rate_of_the_paper_falls_to_four_fifths_after_its_fortieth_epoch():
    paper = Optimiser(
        learning_rate=2.5e-5,
        encoder_learning_rate=2.5e-5,
        warmup_steps=0,
        decay="step",
        decay_step=40,
        final_fraction=0.8,
    )
    assert [rate_factor(paper, step, 50) for step in (0, 39, 40, 49)] == [1.0, 1.0, 0.8, 0.8]


@pytest.mark.parametrize(("name", "kind"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)])
def test_the_algorithm_is_the_one_that_was_asked_for(name, kind):
    settings = Optimiser(learning_rate=1.0, encoder_learning_rate=1.0, algorithm=name)
    assert type(build_optimiser([{"params": [torch.nn.Parameter(torch.ones(1))]}], settings)) is kind


def cosine(step: int, steps: int, warmup_steps: int, final_fraction: float) -> float:
    given = {"warmup_steps": warmup_steps, "final_fraction": final_fraction}
    return rate_factor(Optimiser(learning_rate=1.0, encoder_learning_rate=1.0, **given), step, steps)


def test_the_rate_rises_linearly_to_one_at_the_end_of_the_warm_up():
    assert [cosine(step, 100, 4, 0.1) for step in range(5)] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])


def test_half_way_through_the_cosine_the_rate_is_half_way():
    assert cosine(60, 100, 20, 0.2) == pytest.approx(0.6)


def test_the_rate_ends_at_the_final_fraction():
    assert cosine(100, 100, 20, 0.05) == pytest.approx(0.05)


def test_after_the_warm_up_the_rate_only_falls():
    rates = [cosine(step, 200, 10, 0.01) for step in range(10, 200)]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == 1.0


def test_no_warm_up_starts_at_the_full_rate():
    assert cosine(0, 10, 0, 0.0) == 1.0


def test_a_run_shorter_than_its_warm_up_is_no_trouble():
    assert [cosine(step, 2, 10, 0.1) for step in range(2)] == pytest.approx([0.1, 0.2])


def test_annealing_goes_from_zero_to_one():
    assert [linear_warmup(step, 4) for step in (0, 1, 4, 9)] == [0.0, 0.25, 1.0, 1.0]
    assert linear_warmup(0, 0) == 1.0


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
