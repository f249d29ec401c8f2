"""Runs that differ in one thing, trained on equal samples and scored alike; what is done already is not done again."""

import argparse
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from training.commands.config_file import read_config
from training.commands.progress import RowReporter, TerminalReporter
from training.config import Config
from training.data.files import json_of, write_whole
from training.data.folders import Folders, frames_to_score, read_frames
from training.data.frames import expect_unchanged, frames_sha256
from training.engine.run import Reporter, train
from training.evaluation.calibrate import calibrate
from training.evaluation.evaluate import evaluate
from training.evaluation.predictor import cached, load_predictor
from training.metrics.reliability import RAW, TEMPERATURE

_SCORED = "scores.json"


class Row(NamedTuple):
    """A row of a table: its folder, what it is, what it changes in the configuration, and its own data where it has some."""

    name: str
    what: str
    overrides: tuple[str, ...] = ()
    data: Path | None = None


class Study(NamedTuple):
    """What the runs of a command have in common.

    Attributes:
        config: File or preset.
        overrides: Of all runs, as on the command line.
        data: Data folders; trained on `train`, scored on `val`.
        out: Gets a run folder for each.
        reporter: Told of every step.
    """

    config: Path
    overrides: Sequence[str]
    data: Sequence[Path]
    out: Path
    reporter: Reporter[Any]

    def resolved(self, *overrides: str) -> Config:
        """The configuration of a run, which changes this beside. Raises ConfigError."""
        return read_config(self.config, (*self.overrides, *overrides))


@contextmanager
def study_of(options: argparse.Namespace, out: Path, console: Console) -> Iterator[Study]:
    """That of a command line; the console and TensorBoard show every step while the context lasts."""
    with TerminalReporter(console, out / "tensorboard") as reporter:
        yield Study(options.config, options.overrides, options.data, out, reporter)


def train_rows(rows: Sequence[Row], study: Study) -> Iterator[dict[str, Any]]:
    """Train and score rows one after the other, each in a run folder of its name.

    Returns:
        Per row: what it is, views, and scores with their intervals.

    Raises:
        ConfigError: A row is no valid configuration, before anything is trained.
        DataError: The data were changed meanwhile, so that rows would not be of the same.
    """
    configs = [study.resolved(*row.overrides) for row in rows]
    before = frames_sha256(read_frames(study.data, "all"))
    for row, resolved in zip(rows, configs, strict=True):
        own = row.data or study.data
        checkpoint = train(resolved, own, study.out / row.name, RowReporter(row.name, study.reporter))
        expect_unchanged(before, read_frames(study.data, "all"))
        yield {"what": row.what, "views": _views(resolved), **_scored_once(resolved, checkpoint, own)}


def _scored_once(config: Config, checkpoint: Path, data: Folders) -> dict[str, Any]:
    """The scores of a row, from the file beside its checkpoint where the same configuration was scored before, on the same frames."""
    kept = checkpoint.with_name(_SCORED)
    of = {
        "configuration_sha256": config.sha256(),
        "frames_sha256": frames_sha256(frames_to_score(data, "val", None)),
    }
    scored = json_of(kept) if kept.is_file() else {}
    if not isinstance(scored, dict) or not scored.items() >= of.items():
        text = json.dumps({**of, "scores": _scores(checkpoint, data)}, indent=2)
        expect_unchanged(of["frames_sha256"], frames_to_score(data, "val", None))
        write_whole(text + "\n", kept)
        scored = json.loads(text)
    return dict(scored["scores"])


def _scores(checkpoint: Path, data: Folders) -> dict[str, tuple[float, Sequence[float]]]:
    """Each score held out, and its interval."""
    predictor = load_predictor(checkpoint)
    once = predictor._replace(predict=cached(predictor.predict))
    fitted, _ = calibrate(once, frames_to_score(data, "val", None))
    report = evaluate(fitted, data, "val").report
    held_out, calibration, f_beta = report["cross_fitted"], report["calibration_table"], report["f_beta"]
    intervals, raw = held_out["intervals"], report["raw"]
    return {
        "F-beta": (held_out["f_beta"], intervals["f_beta"]),
        "maximal F-beta": (f_beta["maximal"], f_beta["intervals"]["maximal"]),
        "mean F-beta, raw": (raw["mean_f_beta"], raw["intervals"]["mean_f_beta"]),
        "mMSE, raw": (raw["squared_error"], raw["intervals"]["squared_error"]),
        "mMSE": (held_out["mean_squared_error"], intervals["mean_squared_error"]),
        "false alarms": (held_out["false_alarm_rate"], intervals["false_alarm_rate"]),
        "ECE as trained": (calibration[RAW]["ece"], calibration[RAW]["ece_interval"]),
        "ECE after temperature": (calibration[TEMPERATURE]["ece"], calibration[TEMPERATURE]["ece_interval"]),
    }


def _views(config: Config) -> int:
    return sum(stage.steps * stage.batch for stage in config.generator.stages)
