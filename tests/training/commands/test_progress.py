"""What a run tells a person: lines in a log, and curves."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from training.commands.progress import RowReporter, TerminalReporter
from training.evaluation.scores import Summary
from training.evaluation.validation import LatentActivity, Validation

SUMMARY = Summary(0.25, 0.5, 0.4, 0.001, 0.002, 0.75, 0.125, 8, 16, 0.6, 0.7, 0.8, 9)
LATENT = LatentActivity(1.5, 3, 8, 3.4)
VALIDATION = Validation(SUMMARY, LATENT, np.zeros((6, 10, 3), np.uint8))


@pytest.fixture
def log() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def reporter(log: io.StringIO, tmp_path: Path) -> Iterator[TerminalReporter]:
    with TerminalReporter(Console(file=log, width=300), tmp_path / "curves") as reporter:
        yield reporter


def lines(log: io.StringIO) -> list[str]:
    return [line for line in log.getvalue().splitlines() if line.strip()]


def test_a_validation_is_one_line_with_all_that_counts_and_one_on_z(reporter, log):
    reporter.validated("generator", 500, VALIDATION)
    line, latent = (line for line in lines(log) if "step 500" in line)
    assert latent.endswith("z: divergence 1.5 nats, 3 of 8 units active, the smoke's area varies 3.40 times")
    for words in (
        "F-beta 0.500 at 0.25",
        "IoU 0.400",
        "mMSE 0.00100 (all-zero 0.00200)",
        "detected 0.750 of 8",
        "false alarms 0.125 of 16",
    ):
        assert words in line


def test_a_log_without_a_bar_gets_a_line_every_hundred_steps(reporter, log):
    for step in range(1, 251):
        reporter.step("generator", step, 250, {"loss": 1.0}, 5.0)
    told = [line for line in lines(log) if line.startswith("generator ") and "/250" in line and "loss 1" in line]
    assert [line.split()[1] for line in told if line.split()[1] in ("100/250", "200/250")] == ["100/250", "200/250"]
    assert not any("150/250" in line for line in told)
    assert "samples_per_s 5" in told[0]


def test_numbers_are_smoothed_and_start_anew_with_a_phase(reporter, log):
    for step in range(1, 100):
        reporter.step("generator", step, 100, {"loss": 0.0}, 1.0)
    reporter.step("generator", 100, 100, {"loss": 1.0}, 1.0)
    reporter.step("estimator", 100, 100, {"loss": 3.0}, 1.0)
    text = log.getvalue()
    assert "generator 100/100  loss 0.02 " in text
    assert "estimator 100/100  loss 3 " in text


def test_every_number_is_a_curve(log, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with TerminalReporter(Console(file=log), tmp_path / "curves") as reporter:
        reporter.step("generator", 3, 10, {"loss": 0.5, "kl": 0.25}, 5.0)
        reporter.validated("generator", 10, VALIDATION)
    curves = EventAccumulator(str(tmp_path / "curves")).Reload()
    assert {"generator/loss", "generator/kl", "generator/samples_per_s", "val/generator/f_beta"} <= set(
        curves.Tags()["scalars"]
    )
    (point,) = curves.Scalars("generator/loss")
    assert (point.step, point.value) == (3, 0.5)
    assert curves.Scalars("val/generator/f_beta")[0].value == 0.5


def test_a_row_does_not_go_on_with_the_numbers_of_the_row_before(reporter, log):
    for row, loss in (("1-structure", 9.0), ("2-coherence", 1.0)):
        RowReporter(row, reporter).step("generator", 100, 100, {"loss": loss}, 8.0)
    found = [line.split("  samples")[0] for line in lines(log) if "100/100" in line]
    assert found == ["1-structure/generator 100/100  loss 9", "2-coherence/generator 100/100  loss 1"]
