"""A rendered data folder, the tiny configuration, and one run of it that many tests look at."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import torch

from models.manifest import OUTPUTS
from tests.conftest import build_release
from tests.training.rendered import write_data_folder
from training.commands.config_file import read_config
from training.config import Config
from training.data.folders import read_frames
from training.engine.run import Reporter, train
from training.evaluation.validation import Validation, validate
from training.release import export as exporting


@dataclass
class Notes:
    """A Reporter that remembers what it was told."""

    steps: list[tuple[str, int, dict[str, float]]] = field(default_factory=list)
    validations: list[tuple[str, int, Validation]] = field(default_factory=list)

    def step(self, phase: str, step: int, steps: int, numbers: dict[str, float], samples_per_s: float) -> None:  # noqa: ARG002
        self.steps.append((phase, step, numbers))

    def validated(self, phase: str, step: int, validation: Validation) -> None:
        self.validations.append((phase, step, validation))


@dataclass(frozen=True)
class Run:
    """A run that is done."""

    config: Config
    data: Path
    checkpoint: Path
    notes: Notes


def tiny(*overrides: str) -> Config:
    """The tiny preset, with overrides as on the command line."""
    return read_config(Path("tiny"), overrides)


def trained(config: Config, data: Path, out: Path, reporter: Reporter[Validation]) -> Path:
    """A run as `smoke-bvm-train train` makes it: scored on `val` after each epoch."""
    val = read_frames(data, "val")
    scored = partial(validate, frames=val, size_px=config.data.size_px, false_alarms=config.false_alarms)
    return train(config, data, out, reporter, scored)


@pytest.fixture(autouse=True, scope="session")
def _no_hub() -> Iterator[None]:
    """No test reaches for a network."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
        yield


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rendered data folder; read only, copy it to break it."""
    return write_data_folder(tmp_path_factory.mktemp("rendered"))


@pytest.fixture(scope="session")
def tiny_run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Both phases of `tiny.toml`, trained once; read only."""
    config, notes = tiny(), Notes()
    checkpoint = trained(config, data, tmp_path_factory.mktemp("tiny"), notes)
    return Run(config, data, checkpoint, notes)


@pytest.fixture(scope="session")
def released(tiny_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of the tiny run without an evaluation; read only."""
    return exporting.export(tiny_run.checkpoint, tmp_path_factory.mktemp("released"), None, "0.1.0", {})


@pytest.fixture
def untraced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Export the closed-form graph instead of tracing, and believe it."""

    def copy(_: object, path: Path, size_px: int) -> None:
        shutil.copy(build_release(tmp_path / "closed-form", size_px) / "model.onnx", path)

    monkeypatch.setattr(exporting, "to_onnx", copy)
    monkeypatch.setattr(exporting.parity, "check", lambda *_: dict.fromkeys(OUTPUTS, 1e-6))


def same(one: Any, other: Any) -> bool:
    """Whether two states hold the same tensors bit for bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)
