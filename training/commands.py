"""What each command of `smoke-bvm-train` does, and how it is told on the terminal."""

import argparse
import sys
from pathlib import Path

from rich.console import Console

from models.networks.backbone import WeightsError
from training.checkpoint import CheckpointError
from training.config import ConfigError, read_config
from training.data.smoke5k import DataError
from training.loop import NonFiniteLossError
from training.progress import TerminalReporter
from training.train import Interrupted, train

_REFUSALS = (ConfigError, DataError, CheckpointError, WeightsError, NonFiniteLossError)


def run(options: argparse.Namespace) -> int:
    """Run the chosen command: 0 on success, 2 where the input is refused in words, 130 where it was asked to stop."""
    commands = {"train": _train}
    try:
        commands[options.command](options, Console())
    except _REFUSALS as error:
        sys.stderr.write(f"smoke-bvm-train {options.command}: {error}\n")
        return 2
    except Interrupted as stop:
        sys.stderr.write(f"{stop}\n")
        return 130
    return 0


def _train(options: argparse.Namespace, console: Console) -> None:
    config = read_config(options.config, options.overrides)
    out = options.out or Path("runs") / config.name
    out.mkdir(parents=True, exist_ok=True)
    (out / "config.json").write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")
    console.print(f"{config.name}, configuration {config.sha256()[:12]}, run in {out}")
    with TerminalReporter(console, out / "tensorboard") as reporter:
        last = train(config, options.data, out, reporter)
    console.print(f"done: {last}")
