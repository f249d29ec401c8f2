"""Training batches: the batch of a step is a function of the seed and the step alone, so that resuming needs no sampler state."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from models.geometry import RGB, Map
from training.data import augment, copy_paste, distractors, synthetic
from training.data.augment import View
from training.data.frames import REAL_SMOKE, SMOKE_FREE, DataError, Frame, load_image, load_mask
from training.data.transmission import transmission

RENDERED = "rendered"
"""A source besides the kinds of `frames`: this package's own smoke over smoke-free frames."""
TRANSPLANTED = "transplanted"
"""Another: smoke lifted off one frame and laid over another, of landscapes with or without smoke of their own."""
_DONOR = "transplanted smoke"
_OTHER = "decoys"
_KINDS = {
    RENDERED: SMOKE_FREE,
    TRANSPLANTED: (REAL_SMOKE, "clear"),
    _DONOR: (REAL_SMOKE,),
    _OTHER: (REAL_SMOKE, "clear"),
}
"""Which frames a source draws from that is no kind itself. Transplanted smoke before the skies of hard negatives looks like clouds."""
_WANTED = {
    RENDERED: "smoke-free frames to render smoke on",
    TRANSPLANTED: "landscapes to lay smoke over",
    _DONOR: "frames with smoke to lift",
    _OTHER: "landscapes to take pale things from",
}
_LIFTS = 4
"""Frames that are tried for smoke to lift: of about one in ten it is too faint, or fills the frame."""


class Batch(NamedTuple):
    """Views by the batch, and the files they come from.

    Attributes:
        image: (batch, 3, h, w) uint8 RGB.
        mask: (batch, 1, h, w) of 0.0 and 1.0.
        transmission: (batch, 1, h, w) in [0, 1]; 1 is clear air.
        files: One per view.
    """

    image: Tensor
    mask: Tensor
    transmission: Tensor
    files: list[str]


@dataclass(frozen=True, slots=True)
class Stage:
    """How the views of some consecutive steps are cut.

    Attributes:
        steps: How many steps it lasts.
        batch: Views a step.
        size_px: Side of a view.
        whole: The whole squashed frame instead of a crop.
    """

    steps: int
    batch: int
    size_px: int
    whole: bool


@dataclass(frozen=True, slots=True)
class Views:
    """What varies from view to view: see `augment.crop` and `augment.change_light`.

    `smoke_length` is of rendered smoke, `transplant_size` of transplanted smoke: see `copy_paste.lay`.
    `decoys` is the share of views that get up to three pale things of other frames: see `distractors.put`.
    """

    squashed_px: tuple[int, int]
    smoke_centred: float
    strength: float
    smoke_length: tuple[float, float]
    transplant_size: tuple[float, float]
    decoys: float


class Batches(Dataset[Batch]):
    """`batches[step]` for a step in [0, sum of the stages' steps).

    Args:
        frames: What to draw from.
        mix: Share of each source: the kinds of `frames` and `rendered`. Shares need not sum to 1.
        stages: In order.
        views: How frames are varied.
        seed: Together with the step it decides everything.

    Raises:
        DataError: A source with a share > 0 has no frames.
    """

    def __init__(
        self, frames: Sequence[Frame], mix: Mapping[str, float], stages: Sequence[Stage], views: Views, seed: int
    ) -> None:
        self._names = [name for name in mix if mix[name] > 0]
        needed = [*self._names, *([_DONOR] if TRANSPLANTED in self._names else []), *([_OTHER] if views.decoys else [])]
        self._sources = {name: _Source(_frames_of(frames, name), name) for name in needed}
        self._shares = np.array([mix[name] for name in self._names], np.float64)
        self._shares /= self._shares.sum()
        self._stages = tuple(stages)
        self._views = views
        self._seed = seed

    def __len__(self) -> int:
        return sum(stage.steps for stage in self._stages)

    def __getitem__(self, step: int) -> Batch:
        stage = self._stage(step)
        drawn = [self._view(np.random.default_rng((self._seed, step, slot)), stage) for slot in range(stage.batch)]
        images = torch.from_numpy(np.stack([view.image for view, _ in drawn])).permute(0, 3, 1, 2)
        masks = torch.from_numpy(np.stack([view.mask for view, _ in drawn]))[:, None]
        transmissions = torch.from_numpy(np.stack([view.transmission for view, _ in drawn]))[:, None]
        return Batch(images, masks, transmissions, [file for _, file in drawn])

    def _stage(self, step: int) -> Stage:
        for stage in self._stages:
            if step < stage.steps:
                return stage
            step -= stage.steps
        raise IndexError("step beyond the last stage")

    def _view(self, rng: np.random.Generator, stage: Stage) -> tuple[View, str]:
        name = rng.choice(self._names, p=self._shares)
        frame = self._sources[name].draw(rng)
        image = load_image(frame.image)
        mask = load_mask(frame, image.shape)
        if name == RENDERED:
            image, mask = _with_rendered_smoke(image, rng, self._views.smoke_length)
        if name == TRANSPLANTED:
            image, mask = self._with_transplanted_smoke(image, mask, rng)
        if rng.random() < self._views.decoys:
            image = self._with_decoys(image, mask, rng.spawn(1)[0])
        view = augment.flip(self._cut(View(image, mask, transmission(image)), rng, stage), rng)
        image = view.image
        for change in (augment.add_haze_bank, augment.add_sun, augment.change_light, augment.change_quality):
            image = change(image, rng, self._views.strength)
        return replace(view, image=image), str(frame.image)

    def _with_transplanted_smoke(self, image: RGB, mask: Map, rng: np.random.Generator) -> tuple[RGB, Map]:
        """The frame with the smoke of another; as it was where no frame tried has smoke that can be lifted and seen here."""
        for _ in range(_LIFTS):
            donor = self._sources[_DONOR].draw(rng)
            donor_image = load_image(donor.image)
            plume = copy_paste.lift(donor_image, load_mask(donor, donor_image.shape))
            if plume is not None:
                return copy_paste.lay(plume, image, mask, rng, self._views.transplant_size)
        return image, mask

    def _with_decoys(self, image: RGB, mask: Map, rng: np.random.Generator) -> RGB:
        """The frame with one to three pale things of other frames."""
        for _ in range(int(rng.integers(1, 4))):
            other = self._sources[_OTHER].draw(rng)
            other_image = load_image(other.image)
            decoy = distractors.take(other_image, load_mask(other, other_image.shape), rng)
            if decoy is not None:
                image = distractors.put(decoy, image, mask, rng)
        return image

    def _cut(self, frame: View, rng: np.random.Generator, stage: Stage) -> View:
        if stage.whole:
            return augment.whole(frame, stage.size_px)
        return augment.crop(
            frame,
            rng,
            size_px=stage.size_px,
            squashed_px=self._views.squashed_px,
            smoke_centred=self._views.smoke_centred,
        )


class _Source:
    """Frames of one kind; a camera is drawn with the square root of its number of frames, so that none is learnt by heart."""

    def __init__(self, frames: Sequence[Frame], name: str) -> None:
        if not frames:
            wanted = _WANTED.get(name, "frames")
            raise DataError(f"the configuration asks for {name!r}, that is for {wanted} of this split; found none")
        sizes = Counter(frame.group for frame in frames)
        weights = np.array([sizes[frame.group] ** -0.5 for frame in frames])
        self._frames = frames
        self._cumulative = np.cumsum(weights / weights.sum())

    def draw(self, rng: np.random.Generator) -> Frame:
        index = int(np.searchsorted(self._cumulative, rng.random(), side="right"))
        return self._frames[min(index, len(self._frames) - 1)]


def _frames_of(frames: Sequence[Frame], source: str) -> list[Frame]:
    kinds = _KINDS.get(source, (source,))
    return [frame for frame in frames if frame.kind in kinds]


def _with_rendered_smoke(image: RGB, rng: np.random.Generator, length: tuple[float, float]) -> tuple[RGB, Map]:
    fraction = float(np.exp(rng.uniform(*np.log(length))))
    return synthetic.add_smoke(image, synthetic.render_plume(rng, image.shape[0], image.shape[1], fraction), rng)
