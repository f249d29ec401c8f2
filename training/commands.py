"""What each command of `smoke-bvm-train` does, and how it is told on the terminal."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markdown import Markdown

from models.manifest import ManifestError
from models.networks.backbone import EncoderError, WeightsError
from training.ablation import ablate, table
from training.calibrate import calibrate
from training.checkpoint import CheckpointError
from training.config import ConfigError, read_config
from training.data.smoke5k import REAL_SMOKE, DataError, read_frames
from training.evaluate import evaluate, spread, write
from training.export import ExportError, export
from training.loop import NonFiniteLossError
from training.parity import ParityError
from training.prediction import load_deployed, load_segmenter
from training.progress import TerminalReporter
from training.sampling_free import compare
from training.train import Interrupted, train

_REFUSALS = (
    CheckpointError,
    ConfigError,
    DataError,
    EncoderError,
    ExportError,
    ManifestError,
    NonFiniteLossError,
    OSError,
    ParityError,
    WeightsError,
)


_SAMPLED_FRAMES = 24


def run(options: argparse.Namespace) -> int:
    """Run the chosen command: 0 on success, 2 where the input is refused in words, 130 where it was asked to stop."""
    commands = {"train": _train, "ablate": _ablate, "evaluate": _evaluate, "export": _export}
    try:
        commands[options.command](options, Console())
    except _REFUSALS as error:
        sys.stderr.write(f"smoke-bvm-train {options.command}: {_line(error)}\n")
        return 2
    except Interrupted as stop:
        sys.stderr.write(f"{stop}\n")
        return 130
    return 0


def _train(options: argparse.Namespace, console: Console) -> None:
    config = read_config(options.config, options.overrides)
    out = options.out or Path("runs") / config.name
    console.print(f"{config.name}, configuration {config.sha256()[:12]}, run in {out}")
    with TerminalReporter(console, out / "tensorboard") as reporter:
        last = train(config, options.data, out, reporter)
    console.print(f"done: {last}")


def _ablate(options: argparse.Namespace, console: Console) -> None:
    config = read_config(options.config, options.overrides)
    out = options.out or Path("runs") / f"ablation-{config.name}"
    with TerminalReporter(console, out / "tensorboard") as reporter:
        measured = ablate(options.config, options.overrides, options.data, out, reporter)
    console.print(Markdown(table(measured)))


def _evaluate(options: argparse.Namespace, console: Console) -> None:
    deployed, fitted = load_deployed(options.model), {}
    if deployed.threshold is None:
        deployed, calibration = calibrate(deployed, options.data, options.split)
        fitted = {"calibration": calibration}
    evaluation = evaluate(deployed, options.data, options.split)
    evaluation.report.update(fitted)
    if options.samples:
        evaluation.report["sampling_free"] = _against_sampling(options)
    write(evaluation, options.out)
    console.print(Markdown((options.out / "report.md").read_text(encoding="utf-8")))
    console.print(f"report.json, report.md, contact_sheet.png and reliability.png are in {options.out}")


def _against_sampling(options: argparse.Namespace) -> dict[str, Any]:
    """The deployed pass beside sampling, on frames with smoke spread over the split."""
    segmenter, config = load_segmenter(options.model)
    smoke = [frame for frame in read_frames(options.data, options.split) if frame.kind == REAL_SMOKE]
    return compare(segmenter, spread(smoke, _SAMPLED_FRAMES), config.data.size_px, options.samples)


def _export(options: argparse.Namespace, console: Console) -> None:
    report = _read_report(options.evaluation) if options.evaluation else {}
    folder = export(options.checkpoint, options.out, options.name, options.version, report, options.remark)
    console.print(f"released: {folder}")


def _line(error: Exception) -> str:
    """An error in one line: its first, but its last where a loader's process sent its traceback along."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[-1] if "DataLoader worker" in lines[0] else lines[0]


def _read_report(path: Path) -> dict[str, Any]:
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ExportError(f"{path}: no report.json of `evaluate`: {error}") from error
    if not isinstance(report, dict) or "threshold" not in report:
        raise ExportError(f"{path}: no report.json of `evaluate`: it names no threshold")
    return report
