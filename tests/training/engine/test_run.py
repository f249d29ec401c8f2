"""A run: both phases, exact resumption, a stop that saves, a NaN that names its cause."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.conftest import Notes, Run, same, tiny, trained
from training.data.files import DataError
from training.engine import checkpoint as checkpoints
from training.engine.checkpoint import CheckpointError
from training.engine.processes import alone
from training.engine.run import Interrupted, train
from training.engine.step import NonFiniteLossError
from training.evaluation.validation import Validation

ROOT = Path(__file__).resolve().parents[3]
SHORT = (
    "generator.stages=[{steps=6,batch=2,size_px=64}]",
    "estimator.stages=[{steps=4,batch=2,size_px=64}]",
    "epoch_steps=100",
)


class StopsAt(Notes):
    """Asks its own process to stop after a step, as a terminal or a container would."""

    def __init__(self, phase: str, step: int, number: signal.Signals = signal.SIGTERM) -> None:
        super().__init__()
        self._at, self._number = (phase, step), number

    def step(self, phase: str, step: int, steps: int, numbers: dict[str, float], samples_per_s: float) -> None:
        super().step(phase, step, steps, numbers, samples_per_s)
        if (phase, step) == self._at:
            os.kill(os.getpid(), self._number)


def test_both_phases_run_step_by_step_and_are_validated_per_epoch_and_at_their_end(tiny_run: Run):
    assert Counter(phase for phase, _, _ in tiny_run.notes.steps) == {"generator": 24, "estimator": 12}
    assert [step for phase, step, _ in tiny_run.notes.steps if phase == "generator"] == list(range(1, 25))
    assert [(phase, step) for phase, step, _ in tiny_run.notes.validations] == [
        ("generator", 12),
        ("generator", 24),
        ("estimator", 12),
    ]
    for _, _, (summary, latent, picture) in tiny_run.notes.validations:
        assert (summary.smoke_frames, summary.smoke_free_frames) == (8, 4)
        assert latent.latent_dim == 4
        assert picture.dtype == np.uint8
        # Three frames below each other; beside each other the frame, probability, total, aleatoric and epistemic.
        assert picture.shape[0] > 3 * picture.shape[1] / 5


def test_a_run_that_is_not_to_be_validated_is_not(data: Path, tmp_path: Path):
    notes = Notes()
    train(tiny(*SHORT), data, tmp_path, notes)
    assert len(notes.steps) == 10
    assert notes.validations == []


def test_every_step_names_its_loss_terms_and_its_rate(tiny_run: Run):
    terms: dict[str, set[str]] = {}
    for phase, _, numbers in tiny_run.notes.steps:
        terms.setdefault(phase, set()).update(numbers)
    joint = {"estimator_loss", "estimator_epistemic_error", "estimator_learning_rate"}
    assert {"loss", "structure", "kl", "coherence", "entropy", "boxes", "learning_rate"} | joint == terms["generator"]
    assert {"loss", "epistemic_error", "learning_rate"} <= terms["estimator"]


def test_the_last_checkpoint_is_that_of_the_last_step(tiny_run: Run):
    last = checkpoints.load(tiny_run.checkpoint)
    assert (last.phase, last.step) == ("estimator", 12)
    assert last.config == tiny_run.config


def test_the_second_phase_leaves_the_first_ones_networks_as_they_were(data: Path, tmp_path: Path):
    with pytest.raises(Interrupted):
        trained(tiny(*SHORT), data, tmp_path, StopsAt("generator", 6))
    averaged = checkpoints.load(tmp_path / checkpoints.LAST).average
    last = checkpoints.load(trained(tiny(*SHORT), data, tmp_path, Notes()))
    learnt = {name: value for name, value in last.segmenter.items() if not name.startswith("estimator.")}
    assert same(learnt, {name: averaged[f"module.{name}"] for name in learnt})
    moved = [name for name in last.segmenter if not torch.equal(last.segmenter[name], averaged[f"module.{name}"])]
    assert moved
    assert all(name.startswith("estimator.") for name in moved)


@pytest.mark.parametrize(("phase", "step"), [("generator", 3), ("generator", 6), ("estimator", 2)])
def test_a_run_that_was_interrupted_goes_on_as_if_it_had_not_been(data: Path, tmp_path: Path, phase: str, step: int):
    whole, parts = Notes(), StopsAt(phase, step)
    straight = checkpoints.load(trained(tiny(*SHORT), data, tmp_path / "straight", whole))
    with pytest.raises(Interrupted):
        trained(tiny(*SHORT), data, tmp_path / "parts", parts)
    rest = Notes()
    resumed = checkpoints.load(trained(tiny(*SHORT), data, tmp_path / "parts", rest))
    assert parts.steps + rest.steps == whole.steps
    for part in ("segmenter", "average", "optimisers"):
        assert same(getattr(straight, part), getattr(resumed, part)), part


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_asked_to_stop_saves_after_the_step_in_hand(data: Path, tmp_path: Path, number: signal.Signals):
    before = signal.getsignal(number)
    notes = StopsAt("generator", 2, number)
    with pytest.raises(Interrupted, match="stopped after step 2 of phase generator; the same command resumes"):
        trained(tiny(*SHORT), data, tmp_path, notes)
    assert len(notes.steps) == 2
    assert checkpoints.load(tmp_path / checkpoints.LAST).step == 2
    assert signal.getsignal(number) is before


class StopsAtValidation(Notes):
    """Asks its own process to stop while the model is validated."""

    def validated(self, phase: str, step: int, validation: Validation) -> None:
        super().validated(phase, step, validation)
        os.kill(os.getpid(), signal.SIGTERM)


def test_a_stop_during_the_last_validation_of_a_phase_is_heard(data: Path, tmp_path: Path):
    with pytest.raises(Interrupted, match="stopped after step 6 of phase generator; the same command resumes"):
        trained(tiny(*SHORT), data, tmp_path, StopsAtValidation())
    rest = Notes()
    trained(tiny(*SHORT), data, tmp_path, rest)
    assert [(phase, step) for phase, step, _ in rest.steps] == [("estimator", step) for step in range(1, 5)]


@pytest.mark.slow
def test_a_stop_that_the_whole_process_group_hears_saves_too(data: Path, tmp_path: Path):
    """As a service manager stops it: the loader's process gets the signal as well, and must leave the step its batch."""
    endless = ("--set", "generator.stages=[{steps=100000,batch=2,size_px=64}]", "--set", "workers=1")
    command = [sys.executable, "-m", "training", "train", "tiny", "--data", str(data), "--out", str(tmp_path), *endless]
    with subprocess.Popen(
        command, cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as run:
        while run.poll() is None and not (tmp_path / checkpoints.LAST).exists():
            time.sleep(0.1)
        os.killpg(run.pid, signal.SIGTERM)
        told = run.communicate(timeout=60)[1].decode()
    assert (run.returncode, told.count("\n")) == (130, 1), told
    step = checkpoints.load(tmp_path / checkpoints.LAST).step
    assert told == f"stopped after step {step} of phase generator; the same command resumes\n"


def test_a_finished_run_has_nothing_left_to_do(tiny_run: Run):
    content, notes = tiny_run.checkpoint.read_bytes(), Notes()
    trained(tiny_run.config, tiny_run.data, tiny_run.checkpoint.parent, notes)
    assert notes.steps == []
    assert tiny_run.checkpoint.read_bytes() == content


def test_a_run_is_not_resumed_with_another_configuration(tiny_run: Run):
    content = tiny_run.checkpoint.read_bytes()
    with pytest.raises(
        CheckpointError, match=r"last\.ckpt: made with configuration [0-9a-f]{12}, this one is [0-9a-f]{12}"
    ):
        trained(tiny("seed=2"), tiny_run.data, tiny_run.checkpoint.parent, Notes())
    assert tiny_run.checkpoint.read_bytes() == content


@pytest.mark.parametrize(
    ("found", "now"), [("img/cam-a-1.png,gt/cam-a-1.png,real_smoke", "img/cam-a-1.png,,clear"), (",cam-b,", ",cam-e,")]
)
def test_a_finished_run_is_not_taken_for_one_on_other_frames(tiny_run: Run, tmp_path: Path, found: str, now: str):
    other = shutil.copytree(tiny_run.data, tmp_path / "other")
    rows = (other / "manifest.csv").read_text()
    assert found in rows
    (other / "manifest.csv").write_text(rows.replace(found, now))
    with pytest.raises(CheckpointError, match=r"last\.ckpt: made with other frames of train than those of --data now"):
        trained(tiny_run.config, other, tiny_run.checkpoint.parent, Notes())


def test_a_run_goes_on_where_its_data_were_moved_or_val_is_another(tiny_run: Run, tmp_path: Path):
    moved, notes = shutil.copytree(tiny_run.data, tmp_path / "moved"), Notes()
    rows = (moved / "manifest.csv").read_text().splitlines()
    (moved / "manifest.csv").write_text("\n".join(rows[:-1]))
    trained(tiny_run.config, moved, tiny_run.checkpoint.parent, notes)
    assert notes.steps == []


def test_two_processes_do_not_train_in_one_folder(tiny_run: Run):
    with (
        alone(tiny_run.checkpoint.parent),
        pytest.raises(CheckpointError, match="another process trains in this folder"),
    ):
        trained(tiny_run.config, tiny_run.data, tiny_run.checkpoint.parent, Notes())
    trained(tiny_run.config, tiny_run.data, tiny_run.checkpoint.parent, Notes())


def test_the_same_seed_gives_the_same_run_and_another_seed_another(data: Path, tmp_path: Path):
    losses = []
    for number, seed in enumerate((5, 5, 6)):
        notes = Notes()
        trained(tiny(*SHORT, f"seed={seed}"), data, tmp_path / str(number), notes)
        losses.append([numbers["loss"] for _, _, numbers in notes.steps])
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]


def test_a_loader_in_another_process_makes_the_same_run(data: Path, tmp_path: Path):
    here, there = Notes(), Notes()
    trained(tiny(*SHORT), data, tmp_path / "here", here)
    trained(tiny(*SHORT, "workers=1"), data, tmp_path / "there", there)
    assert here.steps == there.steps


def test_a_loss_that_is_not_a_number_stops_the_run_and_the_last_good_checkpoint_stays(data: Path, tmp_path: Path):
    exploding = (
        *SHORT,
        "checkpoint_steps=1",
        "generator.optimiser={learning_rate=1e30,encoder_learning_rate=1e30,warmup_steps=0}",
    )
    notes = Notes()
    with pytest.raises(
        NonFiniteLossError, match=r"step \d+: .*(structure|kl).* is not finite; batch: .*cam-[ab]-\d\.png"
    ):
        trained(tiny(*exploding), data, tmp_path, notes)
    last = checkpoints.load(tmp_path / checkpoints.LAST)
    assert last.step == len(notes.steps) >= 1


def test_a_broken_picture_stops_the_run_by_name(data: Path, tmp_path: Path):
    broken = shutil.copytree(data, tmp_path / "data")
    for picture in (broken / "img").glob("cam-a-*.png"):
        picture.write_bytes(b"no picture")
    for picture in (broken / "img").glob("cam-b-*.png"):
        picture.write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"cam-[ab]-\d\.png: not a picture that OpenCV can read"):
        trained(tiny(*SHORT), broken, tmp_path / "run", Notes())


def test_without_steps_of_the_generator_it_stays_as_it_was_and_the_estimator_learns_beside_members(
    tiny_run: Run, tmp_path: Path
):
    start = f'["{tiny_run.checkpoint}"]'
    config = tiny(*SHORT, "generator.stages=[]", f"initial={start}", f"estimator.members={start}")
    last = trained(config, tiny_run.data, tmp_path / "run", Notes())
    before, after = checkpoints.load_averaged(tiny_run.checkpoint), checkpoints.load_averaged(last)
    changed = {name.partition(".")[0] for name, value in before.items() if not torch.equal(value, after[name])}
    assert changed == {"estimator"}


def test_a_phase_ends_with_a_share_of_its_initial_networks_whenever_it_was_stopped(tiny_run: Run, tmp_path: Path):
    start = f"initial={tiny_run.checkpoint}"
    whole = trained(tiny(*SHORT, start), tiny_run.data, tmp_path / "whole", Notes())
    kept = tiny(*SHORT, start, "generator.initial_share=0.5")
    with pytest.raises(Interrupted):
        train(kept, tiny_run.data, tmp_path / "kept", StopsAt("generator", 2))
    mixed = trained(kept, tiny_run.data, tmp_path / "kept", Notes())
    name = "generator.head.weight"
    once = checkpoints.load_averaged(mixed)[name]
    assert torch.equal(checkpoints.load_averaged(trained(kept, tiny_run.data, tmp_path / "kept", Notes()))[name], once)
    began, alone, both = (checkpoints.load_averaged(path)[name] for path in (tiny_run.checkpoint, whole, mixed))
    assert torch.allclose(both, (began + alone) / 2, atol=1e-6)
    assert not torch.allclose(began, alone, atol=1e-4)
