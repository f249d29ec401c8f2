"""Training state on disk: written beside and moved into place, read weights-only, so that resuming gives the same next step."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from training.config import Config, ConfigError, parse_config

LAST = "last.ckpt"


class CheckpointError(RuntimeError):
    """A checkpoint cannot be written or read; the message names the file and the cause."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """All that a run needs to go on.

    Attributes:
        config: The resolved configuration.
        phase: `generator` or `estimator`.
        step: Steps of that phase that are done.
        segmenter: State of the trained networks.
        average: State of their moving average, counter included: what is validated and shipped.
        optimisers: State of the phase's optimisers, by name.
        precision: State of the loss scaler of 16-bit precision; empty in others.
        frames_sha256: Of the frames that it learns from; empty where an earlier version did not say.
        novelty: Of a run that is done: `mean` and `whitening` of `models.networks.novelty`; empty before, and of an earlier version.

    No generator's state: views, z and dropout are functions of the seed and the step.
    """

    config: Config
    phase: str
    step: int
    segmenter: dict[str, Tensor]
    average: dict[str, Tensor]
    optimisers: dict[str, dict[str, Any]]
    precision: dict[str, Any]
    frames_sha256: str = ""
    novelty: dict[str, Tensor] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """Of its phase, by the configuration."""
        phase = self.config.generator if self.phase == "generator" else self.config.estimator
        return sum(stage.steps for stage in phase.stages)

    @property
    def done(self) -> bool:
        """Whether nothing of the run is left."""
        return self.step >= self.steps and (self.phase == "estimator" or not self.config.estimator.stages)


def save(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint; the one that stood there stays until the new one is complete.

    Raises:
        CheckpointError: It cannot be written, for lack of space above all.
    """
    state = {name: getattr(checkpoint, name) for name in Checkpoint.__slots__ if name != "config"}
    unfinished = path.with_suffix(".unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("wb") as stream:
            torch.save(state | {"config": checkpoint.config.model_dump_json()}, stream)
        unfinished.replace(path)
    except (OSError, RuntimeError) as error:
        with suppress(OSError):
            unfinished.unlink()
        # torch's own words say where in its code a disk was full.
        cause = error.__context__ if isinstance(error.__context__, OSError) else error
        stays = "the last good checkpoint stays" if path.is_file() else "there is none yet"
        raise CheckpointError(f"{path}: not written, {stays}: {cause}") from error


def load(path: Path) -> Checkpoint:
    """Read a checkpoint without executing anything in it.

    Raises:
        CheckpointError: It is missing, damaged, or of another form.
    """
    with _refusal(path):
        state = torch.load(path, map_location="cpu", weights_only=True)
        told = (
            {"frames_sha256": "", "novelty": {}}
            | state
            | {"config": parse_config(json.loads(state["config"]), str(path))}
        )
        return Checkpoint(**{name: told[name] for name in Checkpoint.__slots__})  # earlier versions wrote more


def load_to_resume(path: Path, config: Config, frames_sha256: str) -> Checkpoint | None:
    """The checkpoint of a run, if it has one. Raises CheckpointError where it was made with another configuration or other frames."""
    if not path.is_file():
        return None
    found = load(path)
    if found.config.sha256() != config.sha256():
        raise CheckpointError(
            f"{path}: made with configuration {found.config.sha256()[:12]}, this one is {config.sha256()[:12]}; "
            "choose another --out, or start over by removing it"
        )
    if found.frames_sha256 not in ("", frames_sha256):
        raise CheckpointError(
            f"{path}: made with other frames of train than those of --data now; choose another --out, start over by removing it, "
            f"or go on from its networks in another --out with --set initial={path}"
        )
    return found


def load_averaged(path: Path) -> dict[str, Tensor]:
    """The averaged networks of a checkpoint, of this version or an earlier one: what is validated and shipped.

    Raises:
        CheckpointError: It is missing, damaged, or of another form.
    """
    prefix = "module."
    with _refusal(path):
        average = torch.load(path, map_location="cpu", weights_only=True)["average"]
        return {name.removeprefix(prefix): value for name, value in average.items() if name.startswith(prefix)}


@contextmanager
def _refusal(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise CheckpointError(f"{path}: not found") from None
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, EOFError, ConfigError) as error:
        raise CheckpointError(f"{path}: not a checkpoint of this version: {error}") from error
    except UnpicklingError:  # whose words say how to run what may be in it
        raise CheckpointError(
            f"{path}: not a checkpoint: found something else than weights, or a damaged file"
        ) from None
    except Exception as error:  # damaged archives raise what their unpickler raises
        raise CheckpointError(f"{path}: damaged: {error}") from error
