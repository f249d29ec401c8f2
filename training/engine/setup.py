"""Configuration -> what a run is made of: networks where they start, learners, and the loader of a phase."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from models.networks.generator import MODULATION
from models.networks.segmenter import SmokeSegmenter
from training.config import Config, GeneratorTraining, Optimiser, Stage
from training.data.batches import Batch, Batches
from training.data.frames import Frame
from training.engine import checkpoint as checkpoints
from training.engine.networks import build_segmenter
from training.engine.optimiser import Learner, build_optimiser, linear_warmup
from training.engine.processes import DeafContext, prepare_worker
from training.engine.release_weights import fill_from_release
from training.engine.step import EstimatorLoss, GeneratorLoss, parameter_groups
from training.losses.objective import Weights

_VIEWS = 8
"""From which a release's networks find the statistics of their normalisations."""
_STATISTICS_STEPS = 45
"""Batches of so many views, from which the mean of several networks finds its own."""


def start_segmenter(config: Config, frames: Sequence[Frame], *, resumed: bool) -> SmokeSegmenter:
    """The networks at the first step: with the encoder's weights, or those of the initial checkpoints or releases; empty if resumed.

    Args:
        config: The resolved configuration.
        frames: To train on; a release's networks find the statistics of their normalisations on some of them.
        resumed: A checkpoint fills them.

    Raises:
        CheckpointError: The initial checkpoint is damaged, or it or the release is of other networks.
        ManifestError: The initial folder is no release.
    """
    segmenter = build_segmenter(config.network, pretrained=not resumed and not config.initial)
    if config.initial and not resumed:
        _fill_with_mean(segmenter, config, frames)
    return segmenter


def mix_in_initial(segmenter: SmokeSegmenter, config: Config, frames: Sequence[Frame]) -> None:
    """`generator.initial_share` of the initial networks' weights, the rest of these; statistics are found anew, as of any mean.

    Source: Wortsman et al. 2022, «Robust fine-tuning of zero-shot models», eq. 1.
    """
    mixed = start_segmenter(config, frames, resumed=False)
    initial, share = mixed.state_dict(), config.generator.initial_share
    mixed.load_state_dict(
        {
            name: torch.lerp(value.float().cpu(), initial[name].float(), share)
            for name, value in segmenter.state_dict().items()
        }
    )
    _find_statistics(mixed, config, frames)
    segmenter.load_state_dict(mixed.state_dict())


def estimator_members(config: Config, segmenter: SmokeSegmenter, frames: Sequence[Frame]) -> list[SmokeSegmenter]:
    """The ensemble that g_gamma learns from beside the generator of `segmenter`, on its device and in evaluation mode.

    A member whose z never learned to modulate takes the generator's modulation: or else the ensemble would disagree about every outline
    that some leave open and others do not, of whatever they know. Frames and errors: as of `start_segmenter`.
    """
    members = [build_segmenter(config.network, pretrained=False) for _ in config.estimator.members]
    for member, path in zip(members, config.estimator.members, strict=True):
        _fill(member, Path(path), config, frames)
        own = member.generator.modulation
        if own is not None and not own.weight.any():
            member.generator.modulation = segmenter.generator.modulation
    device = segmenter.temperature.device
    return [member.eval().to(device).to(memory_format=torch.channels_last) for member in members]


def generator_learner(config: Config, segmenter: SmokeSegmenter) -> Learner:
    """Eq. 11 on the generator and the inference model."""
    settings = config.generator
    module = GeneratorLoss(
        segmenter,
        settings.objective,
        freeze_encoder_norm=settings.freeze_encoder_norm,
        frozen_stride=settings.frozen_stride,
        modulation_only=settings.modulation_only,
    )

    def terms(module: nn.Module, batch: Batch, step: int) -> dict[str, Tensor]:
        result: dict[str, Tensor] = module(
            batch.image, batch.mask, batch.transmission, batch.known, step_weights(settings, step)
        )
        return result

    return Learner("generator", module, terms, settings.optimiser, _optimiser(module, segmenter, settings.optimiser))


def estimator_learner(
    config: Config, segmenter: SmokeSegmenter, every: int = 1, members: Sequence[SmokeSegmenter] = ()
) -> Learner:
    """Eq. 6 on g_gamma, each `every`-th step; with members, beside their ensemble."""
    settings = config.estimator
    module = EstimatorLoss(segmenter, settings.samples, members)

    def terms(module: nn.Module, batch: Batch, _: int) -> dict[str, Tensor]:
        result: dict[str, Tensor] = module(batch.image)
        return result

    optimiser = _optimiser(module, segmenter, settings.optimiser)
    return Learner("estimator", module, terms, settings.optimiser, optimiser, every)


def step_weights(settings: GeneratorTraining, step: int) -> Weights:
    """The weights of a step: the divergence's rises from 0, the entropy's waits for g_gamma."""
    objective = settings.objective
    return Weights(
        kl=objective.kl_weight * linear_warmup(step, objective.kl_warmup_steps),
        coherence=objective.coherence_weight,
        entropy=objective.entropy_weight if step >= objective.entropy_from_step else 0.0,
        boxes=objective.box_weight,
    )


def phase_seed(config: Config, phase: str) -> int:
    """Of all that a phase draws."""
    return config.seed + (phase == "estimator")


def noise_seed(config: Config, phase: str, step: int, process: int) -> int:
    """Of z and dropout at a step in a process: no two share their noise, and resuming needs no generator's state."""
    return int(np.random.SeedSequence((phase_seed(config, phase), step, process)).generate_state(1)[0])


def build_loader(
    config: Config, frames: Sequence[Frame], phase: str, stages: Sequence[Stage], first: int, process: int = 0
) -> DataLoader[Batch]:
    """The batches of a phase from step `first` on: `accumulate` a step, which are a process's share of it."""
    own = range(process * config.accumulate, (process + 1) * config.accumulate)
    parts = config.devices * config.accumulate
    batches = Batches(frames, config.data, stages, phase_seed(config, phase), parts, own)
    return DataLoader(
        batches,
        batch_size=None,
        sampler=range(first * len(own), len(batches)),
        num_workers=config.workers,
        worker_init_fn=prepare_worker,
        # Its own, for a loader draws from it as it starts: from torch's, a resumed run would go on with other numbers.
        generator=torch.Generator(),
        # A forked child inherits OpenCV's thread pool without its threads and waits for them for ever.
        multiprocessing_context=DeafContext() if config.workers else None,
    )


def _some_views(config: Config, frames: Sequence[Frame]) -> Tensor:
    """What training sees first, (batch, size, size, 3) uint8, as the deployed graph takes it."""
    return next(_views(config, frames, 1))


def _views(config: Config, frames: Sequence[Frame], steps: int) -> Iterator[Tensor]:
    """Views of whole frames by the batch, each (batch, size, size, 3) uint8, as the deployed graph takes them."""
    here = config.model_copy(update={"workers": 0, "devices": 1, "accumulate": 1})
    stage = Stage(steps=steps, batch=_VIEWS, size_px=config.data.size_px, whole=True)
    for batch in build_loader(here, frames, "generator", [stage], 0):
        yield batch.image.permute(0, 2, 3, 1).contiguous()


def _optimiser(module: nn.Module, segmenter: SmokeSegmenter, settings: Optimiser) -> torch.optim.Optimizer:
    encoder = segmenter.generator.backbone.parameters()
    rates = settings.encoder_learning_rate, settings.learning_rate
    return build_optimiser(parameter_groups(module, encoder, *rates, settings.weight_decay), settings)


def _fill_with_mean(segmenter: SmokeSegmenter, config: Config, frames: Sequence[Frame]) -> None:
    """The mean of the initial networks. Statistics of normalisations cannot be averaged: of several networks they are found anew."""
    states: list[dict[str, Tensor]] = []
    for path in config.initial:
        _fill(segmenter, Path(path), config, frames)
        states.append({name: value.clone() for name, value in segmenter.state_dict().items()})
    if len(states) == 1:
        return
    mean = {name: sum(state[name] for state in states) / len(states) for name in states[0]}
    segmenter.load_state_dict(mean)
    _find_statistics(segmenter, config, frames)


@torch.no_grad()
def _find_statistics(segmenter: SmokeSegmenter, config: Config, frames: Sequence[Frame]) -> None:
    """Running means and variances of the normalisations over some views of training, but of those that training keeps.

    Source: Izmailov et al. 2018, «Averaging Weights Leads to Wider Optima and Better Generalization», section 3.2.
    """
    segmenter.train()
    if config.generator.freeze_encoder_norm:
        segmenter.generator.backbone.eval()
    learning = [module for module in segmenter.modules() if isinstance(module, nn.BatchNorm2d) and module.training]
    momenta = [norm.momentum for norm in learning]
    for norm in learning:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
    for image in _views(config, frames, _STATISTICS_STEPS):
        segmenter(image)
    for norm, momentum in zip(learning, momenta, strict=True):
        norm.momentum = momentum


def _fill(segmenter: SmokeSegmenter, path: Path, config: Config, frames: Sequence[Frame]) -> None:
    """Copy a release's networks, or a checkpoint's averaged ones; statistics that it does not know yet are found anew in training.

    Of networks without modulation by z the modulation does nothing.
    """
    unmodulated = {
        name: torch.zeros_like(value) for name, value in segmenter.state_dict().items() if name.startswith(MODULATION)
    }
    segmenter.load_state_dict(unmodulated, strict=False)
    if path.is_dir():
        fill_from_release(segmenter, path, _some_views(config, frames))
        return
    found = segmenter.load_state_dict(checkpoints.load_averaged(path), strict=False)
    parameters = {name for name, _ in segmenter.named_parameters()}
    missing = [name for name in found.missing_keys if name in parameters and name not in unmodulated]
    lost = [*found.unexpected_keys, *missing]
    if lost:
        raise checkpoints.CheckpointError(
            f"{path}: of other networks: {len(lost)} tensors differ, the first is {lost[0]!r}"
        )
