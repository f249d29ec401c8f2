"""The resolved configuration: everything that decides a training run, each value with its source; unknown keys are errors."""

import hashlib
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

Positive = Annotated[int, Field(gt=0)]
Natural = Annotated[int, Field(ge=0)]
AboveZero = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0)]
Part = Annotated[float, Field(ge=0, le=1)]
BelowOne = Annotated[float, Field(ge=0, lt=1)]
Side = Annotated[int, Field(ge=16, le=8192)]
"""Of what the networks see, in pixels: below, nothing is left at the inference model's end; above, no memory holds a batch."""
_LAST_STRIDE = 128
"""Of the inference model's last convolution, whose batch normalisation sees the fewest pixels."""
_FEWEST_VIEWS = 2
"""Of a part of a batch: of each two views g_gamma is shown one as deployed and one as sampled."""
Entropy = Literal["calibrated", "plain"]


def _rising(found: tuple[float, float]) -> tuple[float, float]:
    if found[0] > found[1]:
        raise ValueError(f"found {found[0]} before {found[1]}, expected the smaller first")
    return found


def _odd(found: int) -> int:
    if found % 2 == 0:
        raise ValueError(f"found {found}, expected an odd number: a window has a pixel in its middle")
    return found


Range = Annotated[tuple[AboveZero, AboveZero], AfterValidator(_rising)]
Source = Literal[
    "real_smoke",
    "real_smoke_box",
    "real_smoke_scribble",
    "synthetic",
    "clear",
    "hard_negative",
    "rendered",
    "transplanted",
]


class ConfigError(ValueError):
    """A configuration is unreadable or says something unknown or impossible; the message names file and key."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Network(_Section):
    """Shape of the networks: see the arguments of `Generator` and `UncertaintyEstimator`."""

    encoder: str
    library: str = ""
    """A network of segmentation_models_pytorch in the generator's place, to compare with; empty: ours."""
    encoder_weights: str = "imagenet"
    latent_dim: Positive = 8
    modulated: bool = False
    channels: Annotated[int, Field(ge=4)] = 32
    aspp_hidden: Positive = 32
    aspp_growth: Positive = 32
    dilations: tuple[Positive, ...] = (3, 6, 12, 18, 24)
    decoder_stride: Literal[4, 8] = 4
    dropout: BelowOne = 0.3
    estimator_channels: Positive = 32


class Stage(_Section):
    """Some consecutive steps whose views are cut alike: `batch` a step, of this side, `whole` squashed frames or crops of them.

    `close_ups` is the share of close-ups among whole frames: see `training.data.augment.close_up`.
    """

    steps: Positive
    batch: Positive
    size_px: Side
    whole: bool = False
    close_ups: Part = 0.0

    @model_validator(mode="after")
    def _can_be_run(self) -> Self:
        if self.close_ups and not self.whole:
            raise ValueError("close_ups need whole frames: found whole = false, and crops of any size already")
        if self.batch == 1 and self.size_px < 2 * _LAST_STRIDE:
            raise ValueError(
                f"found batch 1 of {self.size_px} px, expected at least {2 * _LAST_STRIDE} px or two views: batch normalisation needs "
                "more than one value a channel"
            )
        return self


class Data(_Section):
    """Where batches come from: the share of each source, and what varies from view to view.

    Shares need not sum to 1. `smoke_length` is of rendered smoke, `transplant_size` of transplanted smoke: see
    `training.data.copy_paste.paste_plume`. `decoys` is the share of views that get up to three pale things of other frames: see
    `training.data.distractors.paste_distractor`. The rest: see `training.data.augment`.
    """

    size_px: Side = 480
    mix: Mapping[Source, Share]
    squashed_px: Annotated[tuple[Side, Side], AfterValidator(_rising)] = (420, 680)
    smoke_centred: Part = 0.75
    strength: Share = 1.0
    smoke_length: Range = (0.04, 0.5)
    transplant_size: Range = (0.02, 0.35)
    decoys: Part = 0.0
    group_balance: Part = 0.5
    """0 draws every frame of a source as often as any other, 1 every camera group; between, a group of n frames as n ** (1 - it)."""


class Objective(_Section):
    """Eq. 2, 4, 7, 8, 10 and 11: every constant, and where it comes from."""

    pool_px: Annotated[Positive, AfterValidator(_odd)] = 31
    """Average pool of the structure loss. Source: the authors' code."""
    edge_gain: Share = 5.0
    """Weight of pixels near an edge. Source: Wei, Wang and Huang 2019, gamma of eq. 1."""
    missed_cost: Share = 1.0
    """Of a missed pixel beside one too much, in the overlap. Source: paper (IoU); 0.3 is beta^2 of the F-beta that is reported."""
    box_weight: Share = 0.5
    """Of the boxes' projections, on views with boxes only. Source: ours."""
    coherence_weight: Share = 0.3
    """lambda1. Source: paper, below eq. 11."""
    coherence_scale: Annotated[float, Field(gt=0, le=1)] = 0.3
    """Of the input's size, at which the coherence is computed. Source: the authors' code."""
    kernel_px: Annotated[int, Field(ge=3), AfterValidator(_odd)] = 5
    """K_m. Source: the authors' code."""
    sigma_position_px: AboveZero = 3.0
    """sigma_P. Source: the authors' code."""
    sigma_transmission: AboveZero = 0.1
    """sigma_T. Source: the authors' code."""
    outline_spread: Share = 0.0
    """How far an outline moves with z, in half widths a standard deviation: see `training.losses.outlines`. Source: ours."""
    entropy: Entropy = "calibrated"
    """Eq. 10, or `plain` for L_en of Table 4, row 3."""
    entropy_weight: Share = 0.01
    """lambda2; 0 leaves the entropy out. Source: paper, below eq. 11."""
    entropy_from_step: Natural = 0
    """First step with lambda2, when g_gamma is warm. Source: ours."""
    kl_weight: Share = 0.01
    """Weight of the divergence, since the structure loss is a mean over pixels. Source: ours."""
    kl_warmup_steps: Natural = 500
    """Over which that weight rises from 0. Source: ours."""
    free_nats: Share = 0.5
    """Of each dimension of z, that cost nothing. Source: ours; see `training.losses.objective.free_nats_divergence`."""


class Optimiser(_Section):
    """AdamW, or Adam as in the paper, with a warm-up and a decay of the rate: see `training.engine.optimiser`."""

    learning_rate: AboveZero
    encoder_learning_rate: AboveZero
    algorithm: Literal["adamw", "adam"] = "adamw"
    weight_decay: Share = 0.01
    warmup_steps: Natural = 100
    decay: Literal["cosine", "step"] = "cosine"
    final_fraction: Part = 0.01
    decay_step: Natural = 0
    clip_norm: Share = 5.0
    """Of the gradient; 0 clips nothing. Source: ours."""

    @model_validator(mode="after")
    def _steps_down_somewhere(self) -> Self:
        if self.decay == "step" and self.decay_step == 0:
            raise ValueError(
                f"found decay step with decay_step 0, expected the step, 1 or more, from which on rates are {self.final_fraction:g} "
                "of what they were"
            )
        return self


class GeneratorTraining(_Section):
    """The generator and the inference model, eq. 11."""

    stages: tuple[Stage, ...]
    """None: the initial networks stay as they are, and g_gamma alone learns."""
    optimiser: Optimiser
    objective: Objective = Objective()
    freeze_encoder_norm: bool = True
    frozen_stride: Literal[0, 4, 8, 16, 32] = 0
    modulation_only: bool = False
    """Only z's modulation learns (`network.modulated`): z comes to move outlines in networks that answer as before at z = mu."""
    average_decay: BelowOne = 0.998
    initial_share: BelowOne = 0.0
    """Of the initial networks' weights in what the phase ends with. Source: Wortsman et al. 2022, «Robust fine-tuning», eq. 1."""


class EstimatorTraining(_Section):
    """g_gamma, eq. 6: beside the generator every `joint_every`-th step (0: never) and in a phase of its own (no stages: none)."""

    stages: tuple[Stage, ...] = ()
    optimiser: Optimiser
    samples: Annotated[int, Field(ge=2)] = 5
    members: tuple[str, ...] = ()
    """Checkpoints or releases of other runs that are the samples of eq. 3 together with the generator, instead of its dropout and z."""
    joint_every: Natural = 0
    average_decay: BelowOne = 0.99

    @model_validator(mode="after")
    def _learns_somewhere(self) -> Self:
        if not self.stages and not self.joint_every:
            raise ValueError("neither stages nor joint_every: g_gamma would never learn")
        return self


class Config(_Section):
    """Everything that decides a training run.

    `initial` names a checkpoint whose averaged networks the run starts from, or the folder of a release, for going on with another
    recipe or other data. Of several it starts from the mean of their weights (Wortsman et al. 2022, «Model soups»), one named twice
    counting twice: they must come from one beginning. None: the encoder's weights and nothing else.
    """

    name: Annotated[str, Field(pattern=r"^[^/.][^/]*$")]
    """Of the release, and of the run's folder where no other is named."""
    initial: tuple[str, ...] = ()
    seed: Annotated[int, Field(ge=0, lt=2**62)] = 1
    accelerator: str = "auto"
    devices: Positive = 1
    """Processes, each on a device of its own, that share out every step's batch."""
    accumulate: Positive = 1
    """Parts of a process's share that are computed one after the other, where memory does not hold it at once."""
    precision: Literal["32-true", "16-mixed", "bf16-mixed"] = "32-true"
    workers: Annotated[int, Field(ge=0, le=256)] = 1
    epoch_steps: Positive = 250
    checkpoint_steps: Positive = 100
    false_alarms: Part = 0.05
    network: Network
    data: Data
    generator: GeneratorTraining
    estimator: EstimatorTraining

    @field_validator("initial", mode="before")
    @classmethod
    def _one_or_several(cls, found: object) -> object:
        return (found,) * bool(found) if isinstance(found, str) else found

    @model_validator(mode="after")
    def _sections_fit_together(self) -> Self:
        generator, estimator, objective = self.generator, self.estimator, self.generator.objective
        if not generator.stages and not (self.initial and estimator.stages):
            raise ValueError(
                "no generator.stages: expected initial networks, and estimator.stages to learn beside them"
            )
        if generator.initial_share and not (self.initial and generator.stages):
            raise ValueError(
                "generator.initial_share needs initial networks, and generator.stages: found nothing to mix"
            )
        if generator.modulation_only and not self.network.modulated:
            raise ValueError("generator.modulation_only needs network.modulated: found no modulation that could learn")
        if sum(self.data.mix.values()) <= 0:
            raise ValueError("data.mix has no share above 0")
        calibrated = objective.entropy == "calibrated" and objective.entropy_weight > 0
        if calibrated and not (estimator.joint_every or self.initial):
            raise ValueError(
                "generator.objective.entropy calibrated needs estimator.joint_every > 0, or an initial checkpoint"
            )
        return self

    @model_validator(mode="after")
    def _parts_of_a_batch_are_equal(self) -> Self:
        parts = self.devices * self.accumulate
        for stage in (*self.generator.stages, *self.estimator.stages) if parts > 1 else ():
            if stage.batch % parts or stage.batch // parts < _FEWEST_VIEWS:
                raise ValueError(
                    f"devices {self.devices} and accumulate {self.accumulate} make {parts} parts of each batch: found a batch of "
                    f"{stage.batch}, expected a multiple of {parts}, {parts * _FEWEST_VIEWS} or more"
                )
        return self

    def sha256(self) -> str:
        """Identifies the resolved configuration, whatever file, command line or number of parts of a batch it came with."""
        alone = self.model_copy(update={"devices": 1})
        return hashlib.sha256(alone.model_dump_json(exclude={"accumulate"}).encode()).hexdigest()


def parse_config(raw: object, source: str) -> Config:
    """Validate decoded TOML or JSON. Raises ConfigError that names `source` and every wrong key."""
    try:
        return Config.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(f"{source}: {'; '.join(map(_wrong, error.errors()))}") from error


def _wrong(error: ErrorDetails) -> str:
    """Key, what is wrong, and what was found there; of no single key, what is wrong."""
    key = ".".join(map(str, error["loc"]))
    return f"{key}: {error['msg']} (found {error['input']!r})" if key else error["msg"]
