"""Who learns at which step, and how fast."""

import pytest
import torch
from lightning_fabric import Fabric

from training.config import Optimiser
from training.data.batches import Batch
from training.learner import Learner, build_optimiser, rate_factor
from training.loop import NonFiniteLossError

BATCH = Batch(torch.ones(1, 4), torch.ones(1), torch.ones(1), torch.ones(1), ["one.png"])
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


def test_a_cosine_ends_at_its_final_fraction():
    cosine = Optimiser(learning_rate=1.0, encoder_learning_rate=1.0, warmup_steps=10, final_fraction=0.1)
    assert rate_factor(cosine, 0, 110) == pytest.approx(0.1)
    assert rate_factor(cosine, 10, 110) == pytest.approx(1.0)
    assert rate_factor(cosine, 60, 110) == pytest.approx(0.55)
    assert rate_factor(cosine, 110, 110) == pytest.approx(0.1)


@pytest.mark.parametrize(("name", "kind"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)])
def test_the_algorithm_is_the_one_that_was_asked_for(name, kind):
    settings = Optimiser(learning_rate=1.0, encoder_learning_rate=1.0, algorithm=name)
    assert type(build_optimiser([{"params": [torch.nn.Parameter(torch.ones(1))]}], settings)) is kind
