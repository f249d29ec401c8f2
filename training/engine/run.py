"""A training run: two phases, checkpoints, a validation line per epoch; resumes where the last checkpoint stands."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import torch
from lightning_fabric import Fabric
from torch.optim.swa_utils import AveragedModel

from models.networks.segmenter import SmokeSegmenter
from training.config import Config, ConfigError, Stage
from training.data.batches import Batch
from training.data.folders import Folders, read_frames
from training.data.frames import Frame
from training.engine import checkpoint as checkpoints
from training.engine.checkpoint import Checkpoint
from training.engine.optimiser import Learner, moving_average
from training.engine.setup import build_loader, estimator_learner, estimator_members, generator_learner, start_segmenter
from training.engine.signals import stop_requests
from training.engine.step_log import STEPS, StepLog

RESOLVED = "config.json"

Seen = TypeVar("Seen")
"""What a validation gives, which this module hands on unread."""
_Seen_contra = TypeVar("_Seen_contra", contravariant=True)


class Reporter(Protocol[_Seen_contra]):
    """Who is told how a run goes: the command line shows it, tests collect it."""

    def step(self, phase: str, step: int, steps: int, numbers: dict[str, float], samples_per_s: float) -> None:
        """A step is done; `numbers` are its loss terms and learning rate."""

    def validated(self, phase: str, step: int, validation: _Seen_contra) -> None:
        """The averaged model was looked at; `validation` is what the run's `validate` gave."""


class Interrupted(Exception):  # noqa: N818 - it is no error: the run was asked to stop, and saved first
    """The run was asked to stop and has saved its state."""


@dataclass(slots=True)
class _Phase:
    """What differs between the two phases: who learns, from which batches, and how slowly the average follows."""

    name: str
    learners: Sequence[Learner]
    stages: Sequence[Stage]
    average_decay: float

    @property
    def steps(self) -> int:
        return sum(stage.steps for stage in self.stages)


def train(
    config: Config,
    data: Folders,
    out: Path,
    reporter: Reporter[Seen],
    validate: Callable[[SmokeSegmenter], Seen] | None = None,
) -> Path:
    """Train both phases, or what is left of them, and return the last checkpoint.

    Args:
        config: The resolved configuration.
        data: Data folder or folders, see `training.data.frames`.
        out: Folder of the run; a checkpoint in it is resumed, and the resolved configuration and a row of losses a step are written
            beside it.
        reporter: Told of every step and validation.
        validate: Looks at the averaged model, in evaluation mode, after each epoch; None where it is scored right afterwards anyway.

    Raises:
        Interrupted: On SIGINT or SIGTERM, after saving.
        CheckpointError: The checkpoint in `out` is damaged or was made with another configuration.
        ConfigError: This machine has no such accelerator.
    """
    run = _Run(config, read_frames(data, "train"), out, reporter, validate)
    # Only now is it known that no run with another configuration stands in this folder.
    out.mkdir(parents=True, exist_ok=True)
    (out / RESOLVED).write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")
    run.generator_phase()
    run.estimator_phase()
    return out / checkpoints.LAST


class _Run(Generic[Seen]):
    """The state of a run: networks, where it stands, and what it saves."""

    def __init__(
        self,
        config: Config,
        frames: list[Frame],
        out: Path,
        reporter: Reporter[Seen],
        validate: Callable[[SmokeSegmenter], Seen] | None,
    ) -> None:
        self._config, self._frames, self._out, self._reporter, self._validate = config, frames, out, reporter, validate
        self._fabric = _fabric(config)
        self._fabric.launch()
        torch.manual_seed(config.seed)
        self._resumed = _resume(config, out / checkpoints.LAST)
        self._step_ended = time.monotonic()
        self._segmenter = start_segmenter(config, frames, resumed=self._resumed is not None)
        self._segmenter.to(self._fabric.device).to(memory_format=torch.channels_last)
        self._members = estimator_members(config, frames, self._fabric.device)

    def generator_phase(self) -> None:
        """Eq. 11 on the generator and the inference model, and every so many steps eq. 6 on g_gamma beside it."""
        settings = self._config.generator
        if self._resumed and self._resumed.phase != "generator":
            return
        learners = [generator_learner(self._config, self._segmenter)]
        if self._config.estimator.joint_every:
            every = self._config.estimator.joint_every
            learners.append(estimator_learner(self._config, self._segmenter, every, self._members))
        average = self._run(_Phase("generator", learners, settings.stages, settings.average_decay))
        self._segmenter.load_state_dict(average.module.state_dict())

    def estimator_phase(self) -> None:
        """Eq. 6 on g_gamma alone; the averaged generator stays as it is."""
        settings = self._config.estimator
        if not settings.stages:
            return
        self._segmenter.eval()
        learners = [estimator_learner(self._config, self._segmenter, members=self._members)]
        self._run(_Phase("estimator", learners, settings.stages, settings.average_decay))

    def _run(self, phase: _Phase) -> AveragedModel:
        average = moving_average(self._segmenter, phase.average_decay)
        first = self._restore(phase, average)
        for learner in phase.learners:
            learner.set_up(self._fabric)
        loader = self._fabric.setup_dataloaders(
            build_loader(self._config, self._frames, phase.name, phase.stages, first)
        )
        log = StepLog(self._out / STEPS, phase.name, first)
        self._step_ended = time.monotonic()
        with stop_requests() as requested:
            for step, batch in enumerate(loader, start=first):
                log.add(step + 1, self._step(phase, average, batch, step))
                done = step + 1
                if done % self._config.checkpoint_steps == 0 or done == phase.steps or requested():
                    self._save(phase, done, average)
                if requested():
                    raise _interrupted(phase, done)
                if self._validate and (done % self._config.epoch_steps == 0 or done == phase.steps):
                    self._reporter.validated(phase.name, done, self._validate(_deployed(average)))
                    self._step_ended = time.monotonic()
            if requested():  # during the last validation
                raise _interrupted(phase, phase.steps)
        return average

    def _step(self, phase: _Phase, average: AveragedModel, batch: Batch, step: int) -> dict[str, float]:
        numbers: dict[str, float] = {}
        for learner in phase.learners:
            own = learner.step(self._fabric, batch, step, phase.steps)
            prefix = "" if learner is phase.learners[0] else f"{learner.name}_"
            numbers |= {f"{prefix}{name}": value for name, value in own.items()}
        average.update_parameters(self._segmenter)
        now = time.monotonic()
        self._reporter.step(phase.name, step + 1, phase.steps, numbers, len(batch.image) / (now - self._step_ended))
        self._step_ended = now
        return numbers

    def _restore(self, phase: _Phase, average: AveragedModel) -> int:
        """Fill networks, average, optimisers and random state from the checkpoint; the first step to do."""
        resumed = self._resumed
        if resumed is None:
            return 0
        self._segmenter.load_state_dict(resumed.segmenter)
        self._resumed = None
        if resumed.phase != phase.name:
            return 0
        average.load_state_dict(resumed.average)
        for learner in phase.learners:
            learner.optimiser.load_state_dict(resumed.optimisers[learner.name])
        self._fabric.strategy.precision.load_state_dict(resumed.precision)
        torch.set_rng_state(resumed.random_state)
        if resumed.device_random_state is not None and self._fabric.device.type == "cuda":
            torch.cuda.set_rng_state(resumed.device_random_state, self._fabric.device)
        return resumed.step

    def _save(self, phase: _Phase, step: int, average: AveragedModel) -> None:
        device = self._fabric.device
        checkpoints.save(
            Checkpoint(
                config=self._config,
                phase=phase.name,
                step=step,
                segmenter=self._segmenter.state_dict(),
                average=average.state_dict(),
                optimisers={learner.name: learner.optimiser.state_dict() for learner in phase.learners},
                precision=dict(self._fabric.strategy.precision.state_dict()),
                random_state=torch.get_rng_state(),
                device_random_state=torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
            ),
            self._out / checkpoints.LAST,
        )


def _deployed(average: AveragedModel) -> SmokeSegmenter:
    """The averaged networks in evaluation mode."""
    deployed = average.module
    assert isinstance(deployed, SmokeSegmenter)  # noqa: S101 - tells mypy what `moving_average` was given
    return deployed.eval()


def _interrupted(phase: _Phase, step: int) -> Interrupted:
    return Interrupted(f"stopped after step {step} of phase {phase.name}; the same command resumes")


def _fabric(config: Config) -> Fabric:
    """Devices and precision. Raises ConfigError where this machine does not have them."""
    try:
        return Fabric(accelerator=config.accelerator, devices=config.devices, precision=config.precision)
    except (RuntimeError, ValueError) as error:
        raise ConfigError(f"accelerator {config.accelerator!r}, precision {config.precision!r}: {error}") from error


def _resume(config: Config, path: Path) -> Checkpoint | None:
    """The checkpoint of this run, if it has one. Raises CheckpointError where it was made with another configuration."""
    if not path.is_file():
        return None
    found = checkpoints.load(path)
    if found.config.sha256() != config.sha256():
        raise checkpoints.CheckpointError(
            f"{path}: made with configuration {found.config.sha256()[:12]}, this one is {config.sha256()[:12]}; "
            "choose another --out, or start over by removing it"
        )
    return found
