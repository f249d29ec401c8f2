"""Several processes on the parts of one batch: the losses of one, one stop and one end for all, any number of them goes on."""

import csv
import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.training.conftest import Notes, tiny
from tests.training.engine import frozen
from training.config import ConfigError
from training.engine import checkpoint as checkpoints
from training.engine import run
from training.engine.devices import build_fabric, share_statistics
from training.engine.processes import FollowerError
from training.engine.run import Interrupted, train

WHOLE = (
    "generator.stages=[{steps=4,batch=8,size_px=64}]",
    "estimator.stages=[{steps=2,batch=8,size_px=64,whole=true}]",
    "estimator.joint_every=2",
    "generator.objective.entropy_from_step=1",
    "generator.objective.kl_warmup_steps=1",
    "generator.objective.free_nats=0",
    "network.dropout=0",
)


class AtStep(Notes):
    """Does something to the run when a step of the first phase is done."""

    def __init__(self, step: int, then: Callable[[], object]) -> None:
        super().__init__()
        self._at, self._then = step, then

    def step(self, phase: str, step: int, steps: int, numbers: dict[str, float], samples_per_s: float) -> None:
        super().step(phase, step, steps, numbers, samples_per_s)
        if (phase, step) == ("generator", self._at):
            self._then()


@pytest.fixture
def _frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    for owner, name, value in frozen.replacements():
        monkeypatch.setattr(owner, name, value)
    monkeypatch.setattr(run, "_follow", frozen.follow)


@pytest.fixture
def one(_frozen: None, data: Path, tmp_path: Path) -> tuple[Notes, Path]:
    """What one process makes of whole batches, and where."""
    notes = Notes()
    train(tiny(*WHOLE), data, tmp_path / "one", notes)
    return notes, tmp_path / "one"


def expect_alike(notes: Notes, out: Path, one: tuple[Notes, Path]) -> None:
    whole, folder = one
    assert len(notes.steps) == len(whole.steps) == 6
    for (phase, step, numbers), (*place, expected) in zip(notes.steps, whole.steps, strict=True):
        assert [phase, step] == place
        assert numbers == pytest.approx(expected, rel=2e-4, abs=1e-6), place
    found, wanted = (checkpoints.load_averaged(where / checkpoints.LAST) for where in (out, folder))
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("parts", ["devices=2", "accumulate=4"])
def test_the_parts_of_a_batch_teach_what_the_whole_teaches(one, data: Path, tmp_path: Path, parts: str):
    notes = Notes()
    train(tiny(*WHOLE, parts), data, tmp_path / "parts", notes)
    expect_alike(notes, tmp_path / "parts", one)


def stop_all_of_the_group() -> None:
    """As a terminal does: a follower hears it too, and must not mind."""
    for process in multiprocessing.active_children():
        os.kill(process.pid, signal.SIGINT)
    os.kill(os.getpid(), signal.SIGINT)


def test_two_processes_stop_at_one_step_and_one_goes_on_alone(one, data: Path, tmp_path: Path):
    notes, out = AtStep(2, stop_all_of_the_group), tmp_path / "two"
    with pytest.raises(Interrupted, match="stopped after step 2 of phase generator; the same command resumes"):
        train(tiny(*WHOLE, "devices=2", "accumulate=2"), data, out, notes)
    assert multiprocessing.active_children() == []
    assert checkpoints.load(out / checkpoints.LAST).step == 2
    rest = Notes()
    train(tiny(*WHOLE), data, out, rest)
    notes.steps += rest.steps
    expect_alike(notes, out, one)
    with (out / "steps.csv").open() as stream:
        assert [(row["phase"], int(row["step"])) for row in csv.DictReader(stream)] == [s[:2] for s in notes.steps]


def kill_the_other() -> None:
    multiprocessing.active_children()[0].kill()


def test_a_killed_process_ends_the_run_in_words_and_its_checkpoint_stays(data: Path, tmp_path: Path):
    notes = AtStep(2, kill_the_other)
    with pytest.raises(FollowerError, match=r"^process 2: killed by signal 9, .*goes on from the last checkpoint$"):
        train(tiny(*WHOLE, "devices=2", "checkpoint_steps=1"), data, tmp_path, notes)
    assert multiprocessing.active_children() == []
    assert not torch.distributed.is_initialized()
    # What it had sent before it died may do for the step in hand.
    assert checkpoints.load(tmp_path / checkpoints.LAST).step in (1, 2)


def test_a_run_is_the_same_run_on_whatever_number_of_devices():
    whole = tiny(*WHOLE)
    assert tiny(*WHOLE, "devices=2", "accumulate=2").sha256() == whole.sha256() != tiny(*WHOLE, "seed=2").sha256()


@pytest.mark.parametrize(("devices", "accumulate"), [(3, 1), (1, 3), (2, 2)])
def test_a_batch_that_has_no_equal_parts_of_two_views_is_refused(devices: int, accumulate: int):
    with pytest.raises(
        ConfigError,
        match=rf"make {devices * accumulate} parts of each batch: found a batch of [24], expected a multiple",
    ):
        tiny("estimator.stages=[]", f"devices={devices}", f"accumulate={accumulate}")


@pytest.mark.parametrize(
    ("there", "words"), [(0, "the accelerator is not available"), (1, r"your machine only has: \[0\]")]
)
def test_devices_that_are_not_there_are_refused(monkeypatch: pytest.MonkeyPatch, there: int, words: str):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: there)
    with pytest.raises(ConfigError, match=rf"^accelerator 'cuda', devices 2, precision '32-true': .*{words}"):
        build_fabric(tiny(*WHOLE, "accelerator=cuda", "devices=2"))


class HalfOfTwo:
    """Fabric of a process beside one whose every value is 0."""

    device, world_size = torch.device("cpu"), 2

    def all_reduce(self, values: torch.Tensor) -> torch.Tensor:
        return values / 2


def test_running_statistics_become_their_mean_over_the_processes():
    module = torch.nn.Sequential(torch.nn.BatchNorm2d(2), torch.nn.BatchNorm2d(3))
    module[1].running_mean.copy_(torch.tensor([2.0, 4.0, 6.0]))
    module[1].num_batches_tracked.fill_(8)
    share_statistics(HalfOfTwo(), module)
    assert module[1].running_mean.tolist() == [1.0, 2.0, 3.0]
    assert module[0].running_var.tolist() == [0.5, 0.5]
    assert module[1].num_batches_tracked == 8
