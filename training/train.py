"""A training run: two phases, checkpoints, a validation line per epoch; resumes where the last checkpoint stands."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader

from models.networks.segmenter import SmokeSegmenter
from training import checkpoint as checkpoints
from training.average import moving_average
from training.build import build_segmenter
from training.checkpoint import Checkpoint
from training.config import Config, ConfigError, Optimiser, StageSection
from training.data.batches import Batch, Batches, Stage, Views
from training.data.smoke5k import Frame, read_frames
from training.loop import EstimatorPhase, GeneratorPhase, optimise, parameter_groups, set_learning_rate, to_numbers
from training.prediction import torch_predictor
from training.schedule import learning_rate_factor, linear_warmup
from training.scores import Summary, choose_level, score_frames, summarise
from training.stopping import prepare_worker, stop_requests

RESOLVED = "config.json"
_MINIMUM_REGION = 0.0002


class Reporter(Protocol):
    """Who is told how a run goes: the command line shows it, tests collect it."""

    def step(self, phase: str, step: int, steps: int, numbers: dict[str, float], samples_per_s: float) -> None:
        """A step is done; `numbers` are its loss terms and learning rate."""

    def validated(self, phase: str, step: int, summary: Summary) -> None:
        """The averaged model was scored on the validation frames."""


class Interrupted(Exception):  # noqa: N818 - it is no error: the run was asked to stop, and saved first
    """The run was asked to stop and has saved its state."""


@dataclass(frozen=True, slots=True)
class _Phase:
    """What differs between the two phases."""

    name: str
    module: nn.Module
    terms: Callable[[nn.Module, Batch, int], dict[str, Tensor]]
    stages: Sequence[StageSection]
    optimiser: Optimiser
    average_decay: float


def train(config: Config, data: Path, out: Path, reporter: Reporter) -> Path:
    """Train both phases, or what is left of them, and return the last checkpoint.

    Args:
        config: The resolved configuration.
        data: Data folder, see `training.data.smoke5k`.
        out: Folder of the run; a checkpoint in it is resumed, and the resolved configuration is written beside it.
        reporter: Told of every step and validation.

    Raises:
        Interrupted: On SIGINT or SIGTERM, after saving.
        CheckpointError: The checkpoint in `out` is damaged or was made with another configuration.
        ConfigError: This machine has no such accelerator.
    """
    run = _Run(config, read_frames(data, "train"), read_frames(data, "val"), out, reporter)
    # Only now is it known that no run with another configuration stands in this folder.
    out.mkdir(parents=True, exist_ok=True)
    (out / RESOLVED).write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")
    run.generator_phase()
    run.estimator_phase()
    return out / checkpoints.LAST


class _Run:
    """The state of a run: networks, where it stands, and what it saves."""

    def __init__(self, config: Config, frames: list[Frame], val: list[Frame], out: Path, reporter: Reporter) -> None:
        self._config, self._frames, self._val, self._out, self._reporter = config, frames, val, out, reporter
        self._fabric = _fabric(config)
        self._fabric.launch()
        torch.manual_seed(config.seed)
        self._resumed = _resume(config, out / checkpoints.LAST)
        self._step_ended = time.monotonic()
        self._segmenter = build_segmenter(config.network, pretrained=self._resumed is None)
        self._segmenter.to(self._fabric.device).to(memory_format=torch.channels_last)

    def generator_phase(self) -> None:
        """Eq. 2 and 4 on the generator and the inference model."""
        settings = self._config.generator
        if self._resumed and self._resumed.phase != "generator":
            return

        def terms(module: nn.Module, batch: Batch, step: int) -> dict[str, Tensor]:
            weight = settings.kl_weight * linear_warmup(step, settings.kl_warmup_steps)
            result: dict[str, Tensor] = module(batch.image, batch.mask, weight)
            return result

        module = GeneratorPhase(self._segmenter, freeze_encoder_norm=settings.freeze_encoder_norm)
        phase = _Phase("generator", module, terms, settings.stages, settings.optimiser, settings.average_decay)
        average = self._run(phase)
        self._segmenter.load_state_dict(average.module.state_dict())

    def estimator_phase(self) -> None:
        """Eq. 6 on g_gamma alone; the averaged generator stays as it is."""
        settings = self._config.estimator

        def terms(module: nn.Module, batch: Batch, _: int) -> dict[str, Tensor]:
            result: dict[str, Tensor] = module(batch.image)
            return result

        self._segmenter.eval()
        module = EstimatorPhase(self._segmenter, settings.samples)
        self._run(_Phase("estimator", module, terms, settings.stages, settings.optimiser, settings.average_decay))

    def _run(self, phase: _Phase) -> AveragedModel:
        optimiser = self._optimiser(phase)
        average = moving_average(self._segmenter, phase.average_decay)
        first = self._restore(phase, optimiser, average)
        module, wrapped = self._fabric.setup(phase.module, optimiser)
        module.train()
        steps = sum(stage.steps for stage in phase.stages)
        loader = self._fabric.setup_dataloaders(self._loader(phase, first, steps))
        self._step_ended = time.monotonic()
        with stop_requests() as requested:
            for step, batch in enumerate(loader, start=first):
                self._step(phase, module, wrapped, average, batch, step, steps)
                done = step + 1
                if done % self._config.checkpoint_steps == 0 or done == steps or requested():
                    self._save(phase, done, optimiser, average)
                if requested():
                    raise Interrupted(f"stopped after step {done} of phase {phase.name}; the same command resumes")
                if done % self._config.epoch_steps == 0 or done == steps:
                    self._validate(phase, done, average)
                    self._step_ended = time.monotonic()
        return average

    def _step(
        self,
        phase: _Phase,
        module: nn.Module,
        optimiser: torch.optim.Optimizer,
        average: AveragedModel,
        batch: Batch,
        step: int,
        steps: int,
    ) -> None:
        settings = phase.optimiser
        factor = learning_rate_factor(step, steps, settings.warmup_steps, settings.final_fraction)
        set_learning_rate(optimiser, factor)
        terms = phase.terms(module, batch, step)
        numbers = to_numbers(terms, step, batch)
        optimise(self._fabric, optimiser, module, terms, settings.clip_norm)
        average.update_parameters(self._segmenter)
        numbers["learning_rate"] = settings.learning_rate * factor
        now = time.monotonic()
        self._reporter.step(phase.name, step + 1, steps, numbers, len(batch.image) / (now - self._step_ended))
        self._step_ended = now

    def _optimiser(self, phase: _Phase) -> torch.optim.Optimizer:
        settings = phase.optimiser
        encoder = self._segmenter.generator.backbone.parameters()
        groups = parameter_groups(
            phase.module, encoder, settings.encoder_learning_rate, settings.learning_rate, settings.weight_decay
        )
        return torch.optim.AdamW(groups)

    def _loader(self, phase: _Phase, first: int, steps: int) -> DataLoader[Batch]:
        settings = self._config.data
        views = Views(settings.squashed_px, settings.smoke_centred, settings.strength, settings.smoke_length)
        stages = [Stage(stage.steps, stage.batch, stage.size_px, stage.whole) for stage in phase.stages]
        seed = self._config.seed + (phase.name == "estimator")
        mix = {str(source): share for source, share in settings.mix.items()}
        batches = Batches(self._frames, mix, stages, views, seed)
        workers = self._config.workers
        return DataLoader(
            batches,
            batch_size=None,
            sampler=range(first, steps),
            num_workers=workers,
            worker_init_fn=prepare_worker,
            # Its own, for a loader draws from it as it starts: from torch's, a resumed run would go on with other numbers.
            generator=torch.Generator(),
            # A forked child inherits OpenCV's thread pool without its threads and waits for them for ever.
            multiprocessing_context="spawn" if workers else None,
        )

    def _restore(self, phase: _Phase, optimiser: torch.optim.Optimizer, average: AveragedModel) -> int:
        """Fill networks, average, optimiser and random state from the checkpoint; the first step to do."""
        resumed = self._resumed
        if resumed is None:
            return 0
        self._segmenter.load_state_dict(resumed.segmenter)
        self._resumed = None
        if resumed.phase != phase.name:
            return 0
        average.load_state_dict(resumed.average)
        optimiser.load_state_dict(resumed.optimiser)
        torch.set_rng_state(resumed.random_state)
        return resumed.step

    def _save(self, phase: _Phase, step: int, optimiser: torch.optim.Optimizer, average: AveragedModel) -> None:
        checkpoints.save(
            Checkpoint(
                config=self._config,
                phase=phase.name,
                step=step,
                segmenter=self._segmenter.state_dict(),
                average=average.state_dict(),
                optimiser=optimiser.state_dict(),
                random_state=torch.get_rng_state(),
            ),
            self._out / checkpoints.LAST,
        )

    def _validate(self, phase: _Phase, step: int, average: AveragedModel) -> None:
        deployed = average.module
        assert isinstance(deployed, SmokeSegmenter)  # noqa: S101 - tells mypy what `moving_average` was given
        deployed.eval()
        scores = score_frames(torch_predictor(deployed), self._val, self._config.data.size_px, _MINIMUM_REGION)
        summary = summarise(scores, choose_level(scores, self._config.false_alarms))
        self._reporter.validated(phase.name, step, summary)


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
