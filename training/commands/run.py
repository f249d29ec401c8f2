"""What each command of `smoke-bvm-train` does, and how it is told on the terminal."""

import argparse
import re
import sys
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown

from models.manifest import ManifestError
from models.networks.backbone import EncoderError, WeightsError
from models.networks.library import LibraryError
from training.commands.config_file import read_config
from training.commands.measure import run_calibrate, run_evaluate
from training.commands.own_data import run_audit, run_split, run_synthesize
from training.commands.progress import LastingConsole, TerminalReporter
from training.commands.quick.command import run_quick
from training.commands.rank import run_rank
from training.commands.studies.ablate import TABLES, ablate, card_section
from training.commands.studies.compare import compare_networks, comparison_table
from training.commands.studies.figures import draw_figure
from training.commands.studies.folds import run_folds
from training.commands.studies.seeds import seeds_section, seeds_table, train_seeds
from training.commands.studies.study import Row, study_of
from training.commands.studies.table import StudyError, scores_table
from training.commands.studies.variants import LABELS, RANKED, half_rows, label_rows
from training.config import Config, ConfigError
from training.data.batches import unused_frames
from training.data.checks import check_frames
from training.data.files import DataError
from training.data.folders import frames_of_val, read_frames, skipped, unlisted
from training.engine import checkpoint as checkpoints
from training.engine.checkpoint import CheckpointError
from training.engine.processes import FollowerError
from training.engine.run import Interrupted, train
from training.engine.step import NonFiniteLossError
from training.evaluation.report import ReportError, read_report_of
from training.evaluation.validation import validate
from training.release.criteria import table
from training.release.export import ExportError, export
from training.release.graph import QuantiseError
from training.release.parity import ParityError
from training.release.second_model import fp16, int8, release_with

_REFUSALS = (
    CheckpointError,
    ConfigError,
    DataError,
    EncoderError,
    FollowerError,
    LibraryError,
    ExportError,
    ManifestError,
    NonFiniteLossError,
    OSError,
    ParityError,
    QuantiseError,
    ReportError,
    StudyError,
    WeightsError,
)

_KIND = re.compile(r"^training\.[\w.]+: ")
"""Of an error, before its words, at the end of a traceback."""


def run(options: argparse.Namespace) -> int:
    """Run the chosen command: 0 on success, 2 where the input is refused in words, 130 where it was asked to stop."""
    commands = {
        "train": _train,
        "ablate": _ablate,
        "compare": _compare,
        "evaluate": run_evaluate,
        "calibrate": run_calibrate,
        "audit": run_audit,
        "split": run_split,
        "rank": run_rank,
        "quick": run_quick,
        "synthesize": run_synthesize,
        "export": _export,
        "quantise": _quantise,
    }
    try:
        commands[options.command](options, LastingConsole())
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
    _check(options, console)
    _tell_unused(config, options, console)
    if options.folds:
        run_folds(options, config, out, console)
        return
    val = frames_of_val(options.data, 1 if options.seeds == 1 else 2)
    if options.seeds > 1:
        with study_of(options, out, console) as study:
            measured = train_seeds(options.seeds, study)
        console.print(Markdown(seeds_table(measured)))
        return
    scored = partial(validate, frames=val, size_px=config.data.size_px, false_alarms=config.false_alarms)
    with TerminalReporter(console, out / "tensorboard") as reporter:
        last = train(config, options.data, out, reporter, scored)
    console.print(f"done: {last}")


def _ablate(options: argparse.Namespace, console: Console) -> None:
    config = read_config(options.config, options.overrides)
    out = options.out or Path("runs") / f"ablation-{options.table}-{config.name}"
    _check(options, console)
    frames_of_val(options.data)
    rows = _rows(options, config, out, console)
    with study_of(options, out, console) as study:
        measured = ablate(rows, study)
    console.print(Markdown(scores_table(measured)))


def _rows(options: argparse.Namespace, config: Config, out: Path, console: Console) -> Sequence[Row]:
    if options.table == RANKED:
        return half_rows(config, options.data, out, options.model, console)
    if options.model:
        raise StudyError(
            f"found --model with --table {options.table}, expected it with --table {RANKED} alone, where it ranks"
        )
    if options.table == LABELS:
        return label_rows(config, options.data, out)
    return TABLES[options.table]


def _compare(options: argparse.Namespace, console: Console) -> None:
    config = read_config(options.config, options.overrides)
    out = options.out or Path("runs") / f"comparison-{config.name}"
    _check(options, console)
    frames_of_val(options.data)
    with study_of(options, out, console) as study:
        if options.figure:
            picture = draw_figure(options.figure, options.networks, study)
            console.print(f"drawn: {picture}", markup=False, soft_wrap=True)
            return
        measured = compare_networks(options.networks, study)
    console.print(Markdown(comparison_table(measured)))


def _check(options: argparse.Namespace, console: Console) -> None:
    """Look at all files of the data before the first step, and say what was left alone."""
    frames = read_frames(options.data, "all")
    check_frames(frames)
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in Counter(frame.kind for frame in frames).items())
    console.print(f"{len(frames):,} frames checked: {kinds}")
    if others := skipped(options.data):
        console.print(
            f"{len(others):,} files beside the synthetic pictures skipped, the first is {str(others[0])!a}",
            markup=False,
        )
    if others := unlisted(options.data, frames):
        console.print(
            f"{len(others):,} pictures that nothing lists left out, the first is {str(others[0])!a}", markup=False
        )


def _tell_unused(config: Config, options: argparse.Namespace, console: Console) -> None:
    """Which frames of train the configuration leaves out: labelled, and yet nothing is learnt from them."""
    for kind, count in unused_frames(config.data.mix, read_frames(options.data, "train")).items():
        console.print(
            f"{count:,} frames of train are {kind}, to which data.mix gives no share: nothing is learnt from them; "
            f"--set data.mix.{kind}=0.1 gives them one",
            markup=False,
            soft_wrap=True,
        )


def _export(options: argparse.Namespace, console: Console) -> None:
    report = read_report_of(options.evaluation, options.checkpoint) if options.evaluation else {}
    remark = options.remark
    if options.ablation:
        remark = f"{remark}\n\n{card_section(options.ablation)}"
    if options.seeds:
        remark = f"{remark}\n\n{seeds_section(options.seeds, checkpoints.load(options.checkpoint).config)}"
    folder = export(options.checkpoint, options.out, options.name, options.version, report, remark)
    console.print(f"released: {folder}")


def _quantise(options: argparse.Namespace, console: Console) -> None:
    _check(options, console)
    chosen = int8(options.data, options.frames, options.float_features) if options.precision == "int8" else fp16()
    criteria, folder = release_with(chosen, options.release, options.data, options.out)
    console.print(Markdown(table(criteria, options.precision)))
    missed = [criterion.name for criterion in criteria if not criterion.holds]
    console.print(f"released: {folder}" if folder else f"nothing written; missed: {', '.join(missed) or 'nothing'}")


def _line(error: Exception) -> str:
    """An error in one line: its first, but its last where a loader's process sent its traceback along."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return _KIND.sub("", lines[-1]) if "DataLoader worker" in lines[0] else lines[0]
