"""The losses of a run as CSV: every step once, whatever was stopped and gone on with."""

import csv
import errno
import os
from pathlib import Path

import pytest

from tests.training.conftest import Run
from tests.training.engine.test_run import SHORT, StopsAt
from training.commands.config_file import read_config
from training.engine.run import Interrupted, train
from training.engine.step_log import STEPS, StepLog


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def keys(path: Path) -> list[tuple[str, int]]:
    return [(row["phase"], int(row["step"])) for row in rows(path)]


def test_a_run_leaves_every_number_of_every_step(tiny_run: Run):
    written = rows(tiny_run.checkpoint.with_name(STEPS))
    assert [(row["phase"], int(row["step"])) for row in written] == [n[:2] for n in tiny_run.notes.steps]
    for row, (_, _, numbers) in zip(written, tiny_run.notes.steps, strict=True):
        found = {name: float(value) for name, value in row.items() if name not in ("phase", "step") and value}
        assert found == pytest.approx(numbers, rel=1e-6)


def test_a_run_that_is_gone_on_with_has_no_step_twice(data: Path, tmp_path: Path):
    config = read_config(Path("tiny"), SHORT)
    with pytest.raises(Interrupted):
        train(config, data, tmp_path, StopsAt("generator", 4))
    log = StepLog(tmp_path / STEPS, "generator", 4)
    log.add(5, {"loss": 99.0})  # a step after the last checkpoint, as of a run that was killed
    train(config, data, tmp_path, StopsAt("nowhere", 0))
    assert keys(tmp_path / STEPS) == [("generator", n) for n in range(1, 7)] + [("estimator", n) for n in range(1, 5)]
    assert "99" not in [row["loss"] for row in rows(tmp_path / STEPS)]


def test_a_run_that_starts_over_leaves_nothing_of_the_one_before(tmp_path: Path):
    StepLog(tmp_path / STEPS, "generator", 0).add(1, {"loss": 1.0})
    StepLog(tmp_path / STEPS, "estimator", 0).add(1, {"loss": 2.0})
    StepLog(tmp_path / STEPS, "generator", 0).add(1, {"loss": 3.0})
    assert rows(tmp_path / STEPS) == [{"phase": "generator", "step": "1", "loss": "3"}]


def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path):
    (tmp_path / STEPS).write_text("phase,step,loss\ngenerator,1,0.5\ngenerator,1")
    StepLog(tmp_path / STEPS, "generator", 1).add(2, {"loss": 0.25, "kl": 3.0})
    assert rows(tmp_path / STEPS) == [
        {"phase": "generator", "step": "1", "loss": "0.5", "kl": ""},
        {"phase": "generator", "step": "2", "loss": "0.25", "kl": "3"},
    ]


def test_another_file_of_that_name_is_refused_in_words(tmp_path: Path):
    (tmp_path / STEPS).write_text("a,b\n1,2\n")
    with pytest.raises(OSError, match=r"steps\.csv: found columns a, b, expected phase, step"):
        StepLog(tmp_path / STEPS, "generator", 0)


def test_a_disk_that_is_full_leaves_the_steps_that_were_done_and_is_named(tmp_path: Path, monkeypatch):
    log = StepLog(tmp_path / STEPS, "generator", 0)
    log.add(1, {"loss": 1.0})
    before = (tmp_path / STEPS).read_bytes()

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match=rf"No space left on device: '{tmp_path / STEPS}'"):
        log.add(2, {"loss": 1.0, "kl": 1.0})
    assert (tmp_path / STEPS).read_bytes() == before
