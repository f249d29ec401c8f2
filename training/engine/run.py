"""A training run: two phases, checkpoints, a validation line per epoch; resumes where the last checkpoint stands."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import torch
from torch.optim.swa_utils import AveragedModel

from models.networks.segmenter import SmokeSegmenter
from training.config import Config, Stage
from training.data.batches import Batch
from training.data.files import write_whole
from training.data.folders import Folders, read_frames
from training.data.frames import Frame, frames_sha256
from training.engine import checkpoint as checkpoints
from training.engine.checkpoint import Checkpoint
from training.engine.devices import anywhere, build_fabric, launched, mean_of_all, share_statistics
from training.engine.networks import fit_novelty
from training.engine.optimiser import Learner, moving_average
from training.engine.processes import alone, followers, stop_requests
from training.engine.setup import (
    build_loader,
    estimator_learner,
    estimator_members,
    generator_learner,
    mix_in_initial,
    noise_seed,
    start_segmenter,
)
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
    finish: Callable[[SmokeSegmenter], None] | None = None
    """What is done to the averaged networks after the last step."""

    @property
    def steps(self) -> int:
        return sum(stage.steps for stage in self.stages)


def train(
    config: Config,
    data: Folders,
    out: Path,
    reporter: Reporter[Seen],
    validate: Callable[[SmokeSegmenter], Seen] | None = None,
    *,
    novelty: bool = True,
) -> Path:
    """Train both phases, or what is left of them, and return the last checkpoint.

    Args:
        config: The resolved configuration.
        data: Data folder or folders, see `training.data.frames`.
        out: Folder of the run; a checkpoint in it is resumed, and the resolved configuration and a row of losses a step are written
            beside it.
        reporter: Told of every step and validation.
        validate: Looks at the averaged model, in evaluation mode, after each epoch; None where it is scored right afterwards anyway.
        novelty: Whether the run ends with its novelty fitted to its frames.

    Raises:
        Interrupted: On SIGINT or SIGTERM, after saving.
        CheckpointError: The checkpoint in `out` is damaged or was made with another configuration or other frames.
        ConfigError: This machine has no such accelerator, or not so many devices.
        FollowerError: With several devices: the process of another one ended.
    """
    frames = read_frames(data, "train")
    out.mkdir(parents=True, exist_ok=True)
    with alone(out):
        run = _Run(config, frames, out, reporter, validate)
        # Only now is it known that no run with another configuration stands in this folder.
        write_whole(config.model_dump_json(indent=2) + "\n", out / RESOLVED)
        with followers(config.devices - 1, partial(_follow, config, frames, out)) as meeting:
            run.phases(meeting)
        if novelty:
            fit_novelty(out / checkpoints.LAST, frames)
    return out / checkpoints.LAST


class _Silent:
    """The Reporter of a process that follows."""

    def step(self, phase: str, step: int, steps: int, numbers: dict[str, float], samples_per_s: float) -> None:
        """The leader tells it."""

    def validated(self, phase: str, step: int, validation: object) -> None:
        """The leader alone validates."""


def _follow(config: Config, frames: list[Frame], out: Path, number: int, meeting: Path) -> None:
    """What another process of the run does: the same steps, of which it tells nobody and saves nothing."""
    with suppress(Interrupted):
        _Run(config, frames, out, _Silent(), None, number).phases(meeting)


class _Run(Generic[Seen]):
    """The state of a run: networks, where it stands, and what it saves."""

    def __init__(
        self,
        config: Config,
        frames: list[Frame],
        out: Path,
        reporter: Reporter[Seen],
        validate: Callable[[SmokeSegmenter], Seen] | None,
        process: int = 0,
    ) -> None:
        self._config, self._frames, self._out, self._reporter, self._validate = config, frames, out, reporter, validate
        self._process, self._fabric = process, build_fabric(config, process)
        torch.manual_seed(config.seed)
        self._frames_sha256 = frames_sha256(frames)
        self._resumed = checkpoints.load_to_resume(out / checkpoints.LAST, config, self._frames_sha256)
        self._step_ended = time.monotonic()
        self._segmenter = start_segmenter(config, frames, resumed=self._resumed is not None)
        self._segmenter.to(self._fabric.device).to(memory_format=torch.channels_last)
        self._members = estimator_members(config, self._segmenter, frames)

    def phases(self, meeting: Path) -> None:
        """Both, or what is left of them, with the run's other processes."""
        with launched(self._fabric, self._config.devices, self._process, meeting):
            self._generator_phase()
            self._estimator_phase()

    def _generator_phase(self) -> None:
        """Eq. 11 on the generator and the inference model, and every so many steps eq. 6 on g_gamma beside it."""
        settings = self._config.generator
        if self._resumed and self._resumed.phase != "generator":
            return
        learners = [generator_learner(self._config, self._segmenter)]
        if self._config.estimator.joint_every:
            every = self._config.estimator.joint_every
            learners.append(estimator_learner(self._config, self._segmenter, every, self._members))
        finish = partial(mix_in_initial, config=self._config, frames=self._frames) if settings.initial_share else None
        average = self._run(_Phase("generator", learners, settings.stages, settings.average_decay, finish))
        self._segmenter.load_state_dict(average.module.state_dict())

    def _estimator_phase(self) -> None:
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
        leads = self._process == 0
        loader = self._fabric.setup_dataloaders(
            build_loader(self._config, self._frames, phase.name, phase.stages, first, self._process),
            use_distributed_sampler=False,
        )
        log = StepLog(self._out / STEPS, phase.name, first) if leads else None
        self._step_ended = time.monotonic()
        with stop_requests() as requested:
            for step, parts in enumerate(zip(*[iter(loader)] * self._config.accumulate, strict=True), start=first):
                numbers = self._step(phase, average, parts, step)
                if log:
                    log.add(step + 1, numbers)
                done, stop = step + 1, anywhere(self._fabric, requested())
                if leads and (done % self._config.checkpoint_steps == 0 or done == phase.steps or stop):
                    self._save(phase, done, average)
                if stop:
                    raise _interrupted(phase, done)
                if self._validate and (done % self._config.epoch_steps == 0 or done == phase.steps):
                    self._reporter.validated(phase.name, done, self._validate(_deployed(average)))
                    self._step_ended = time.monotonic()
            if anywhere(self._fabric, requested()):  # during the last validation
                raise _interrupted(phase, phase.steps)
        return average

    def _step(self, phase: _Phase, average: AveragedModel, parts: Sequence[Batch], step: int) -> dict[str, float]:
        torch.manual_seed(noise_seed(self._config, phase.name, step, self._process))
        numbers: dict[str, float] = {}
        for learner in phase.learners:
            own = learner.step(self._fabric, parts, step, phase.steps)
            prefix = "" if learner is phase.learners[0] else f"{learner.name}_"
            numbers |= {f"{prefix}{name}": value for name, value in own.items()}
        share_statistics(self._fabric, self._segmenter)
        average.update_parameters(self._segmenter)
        if phase.finish and step + 1 == phase.steps:
            phase.finish(_deployed(average))
        means = mean_of_all(self._fabric, torch.tensor(list(numbers.values()), dtype=torch.float64))
        numbers = dict(zip(numbers, means.tolist(), strict=True))
        now, views = time.monotonic(), self._config.devices * sum(len(part.image) for part in parts)
        self._reporter.step(phase.name, step + 1, phase.steps, numbers, views / (now - self._step_ended))
        self._step_ended = now
        return numbers

    def _restore(self, phase: _Phase, average: AveragedModel) -> int:
        """Fill networks, average, optimisers and loss scaler from the checkpoint, which is of this phase; the first step to do."""
        resumed, self._resumed = self._resumed, None
        if resumed is None:
            return 0
        self._segmenter.load_state_dict(resumed.segmenter)
        average.load_state_dict(resumed.average)
        for learner in phase.learners:
            learner.optimiser.load_state_dict(resumed.optimisers[learner.name])
        self._fabric.strategy.precision.load_state_dict(resumed.precision)
        return resumed.step

    def _save(self, phase: _Phase, step: int, average: AveragedModel) -> None:
        checkpoints.save(
            Checkpoint(
                config=self._config,
                phase=phase.name,
                step=step,
                segmenter=self._segmenter.state_dict(),
                average=average.state_dict(),
                optimisers={learner.name: learner.optimiser.state_dict() for learner in phase.learners},
                precision=dict(self._fabric.strategy.precision.state_dict()),
                frames_sha256=self._frames_sha256,
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
