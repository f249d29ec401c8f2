"""Training batches: the batch of a step is a function of the seed and the step alone, so that resuming needs no sampler state."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from models.geometry import RGB, Map
from training.config import Data, Source, Stage
from training.data import augment, copy_paste, distractors, synthetic
from training.data.augment import View
from training.data.files import DataError
from training.data.frames import (
    BOXED,
    REAL_SMOKE,
    SCRIBBLED,
    SMOKE_FREE,
    SYNTHETIC,
    Frame,
    load_image,
    load_known,
    load_mask,
)
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
        known: (batch, 1, h, w), 1.0 where the mask says the truth, 0.0 beside scribbles, and in and near a box of which only smoke
            somewhere is known.
        files: One per view.
    """

    image: Tensor
    mask: Tensor
    transmission: Tensor
    known: Tensor
    files: list[str]


class Batches(Dataset[Batch]):
    """`batches[step]` for a step in [0, sum of the stages' steps); `batches[step * n + k]` where n parts of each are asked for.

    Args:
        frames: What to draw from.
        data: Share of each source, and how frames are varied.
        stages: In order.
        seed: Together with the step it decides everything.
        parts: Into which each step's batch is cut, in order; its divisor.
        own: Those of them that are wanted.

    Raises:
        DataError: A source with a share > 0 has no frames.
    """

    def __init__(
        self,
        frames: Sequence[Frame],
        data: Data,
        stages: Sequence[Stage],
        seed: int,
        parts: int = 1,
        own: Sequence[int] = (0,),
    ) -> None:
        shares = {str(source): share for source, share in data.mix.items() if share > 0}
        self._names = list(shares)
        needed = [*self._names, *([_DONOR] if TRANSPLANTED in self._names else []), *([_OTHER] if data.decoys else [])]
        _expect_frames(needed, frames, data)
        self._sources = {name: _Source(_frames_of(frames, name), data.group_balance) for name in needed}
        self._shares = np.array(list(shares.values()), np.float64)
        self._shares /= self._shares.sum()
        self._stages = tuple(stages)
        self._data = data
        self._seed = seed
        self._parts, self._own = parts, tuple(own)

    def __len__(self) -> int:
        return len(self._own) * sum(stage.steps for stage in self._stages)

    def __getitem__(self, index: int) -> Batch:
        step, turn = divmod(index, len(self._own))
        stage = self._stage(step)
        views = stage.batch // self._parts
        first = self._own[turn] * views
        slots = range(first, first + views)
        drawn = [self._view(np.random.default_rng((self._seed, step, slot)), stage) for slot in slots]
        images = torch.from_numpy(np.stack([view.image for view, _ in drawn])).permute(0, 3, 1, 2)
        mask, transmission, known = (
            torch.from_numpy(np.stack([getattr(view, plane) for view, _ in drawn]))[:, None]
            for plane in ("mask", "transmission", "known")
        )
        return Batch(images, mask, transmission, known, [file for _, file in drawn])

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
            image, mask = _with_rendered_smoke(image, rng, self._data.smoke_length)
        if name == TRANSPLANTED:
            image, mask = self._with_transplanted_smoke(image, mask, rng)
        known = load_known(frame, image.shape)
        if rng.random() < self._data.decoys:
            image = self._with_distractors(image, np.maximum(mask, 1.0 - known), rng.spawn(1)[0])
        seen = View(image, mask, transmission(image), known)
        view = augment.flip(self._cut(seen, rng, stage, weak=name in (BOXED, SCRIBBLED)), rng)
        image = view.image
        for change in (augment.add_haze_bank, augment.add_sun, augment.change_light, augment.change_quality):
            image = change(image, rng, self._data.strength)
        return replace(view, image=image), str(frame.image)

    def _with_transplanted_smoke(self, image: RGB, mask: Map, rng: np.random.Generator) -> tuple[RGB, Map]:
        """The frame with the smoke of another; as it was where no frame tried has smoke that can be lifted and seen here."""
        for _ in range(_LIFTS):
            donor = self._sources[_DONOR].draw(rng)
            donor_image = load_image(donor.image)
            plume = copy_paste.cut_plume(donor_image, load_mask(donor, donor_image.shape))
            if plume is not None:
                return copy_paste.paste_plume(plume, image, mask, rng, self._data.transplant_size)
        return image, mask

    def _with_distractors(self, image: RGB, mask: Map, rng: np.random.Generator) -> RGB:
        """The frame with one to three pale things of other frames."""
        for _ in range(int(rng.integers(1, 4))):
            other = self._sources[_OTHER].draw(rng)
            other_image = load_image(other.image)
            distractor = distractors.cut_distractor(other_image, load_mask(other, other_image.shape), rng)
            if distractor is not None:
                image = distractors.paste_distractor(distractor, image, mask, rng)
        return image

    def _cut(self, frame: View, rng: np.random.Generator, stage: Stage, *, weak: bool) -> View:
        """A view of the stage; of weak labels the whole: a piece might cut a box in two, or miss all strokes on smoke."""
        size_px, smoke_centred = stage.size_px, self._data.smoke_centred
        if not weak and stage.close_ups and rng.random() < stage.close_ups:
            return augment.close_up(frame, rng, size_px=size_px, smoke_centred=smoke_centred)
        if weak or stage.whole:
            return augment.whole(frame, size_px)
        squashed_px = self._data.squashed_px
        return augment.crop(frame, rng, size_px=size_px, squashed_px=squashed_px, smoke_centred=smoke_centred)


class _Source:
    """Frames of one kind; a camera group of n frames of weight 1 is drawn with n ** (1 - balance), so that none is learnt by heart."""

    def __init__(self, frames: Sequence[Frame], balance: float) -> None:
        sizes = Counter(frame.group for frame in frames)
        weights = np.array([frame.weight * sizes[frame.group] ** -balance for frame in frames])
        self._frames = frames
        self._cumulative = np.cumsum(weights / weights.sum())

    def draw(self, rng: np.random.Generator) -> Frame:
        index = int(np.searchsorted(self._cumulative, rng.random(), side="right"))
        return self._frames[min(index, len(self._frames) - 1)]


def possible_mix(mix: Mapping[Source, float], frames: Sequence[Frame]) -> dict[str, float]:
    """The shares of those sources that the frames can feed, none of them 0.

    Where no frame has a mask, what real smoke had goes to the boxes, scribbles and synthetic frames that there are.
    """
    asked = {str(source): share for source, share in mix.items()}
    shares = {source: share for source, share in asked.items() if share > 0 and _feeds(frames, source)}
    instead = [kind for kind in (BOXED, SCRIBBLED, SYNTHETIC) if _frames_of(frames, kind)]
    if share := 0.0 if REAL_SMOKE in shares else asked.get(REAL_SMOKE, 0.0):
        shares |= {kind: shares.get(kind, 0.0) + share / len(instead) for kind in instead}
    return shares


def unused_frames(mix: Mapping[Source, float], frames: Sequence[Frame]) -> dict[str, int]:
    """How many frames of each kind no source with a share draws from."""
    sources = [str(source) for source, share in mix.items() if share > 0]
    drawn = {kind for source in sources for kind in _KINDS.get(source, (source,))}
    return dict(Counter(frame.kind for frame in frames if frame.kind not in drawn))


def feeds_decoys(frames: Sequence[Frame]) -> bool:
    """Whether there is a landscape to take pale things from."""
    return bool(_frames_of(frames, _OTHER))


def _feeds(frames: Sequence[Frame], source: str) -> bool:
    return all(_frames_of(frames, name) for name in ((source, _DONOR) if source == TRANSPLANTED else (source,)))


def _expect_frames(needed: Sequence[str], frames: Sequence[Frame], data: Data) -> None:
    """Raises DataError where a source has no frames, with the settings that would go with those that there are."""
    lacking = [name for name in needed if not _frames_of(frames, name)]
    if not lacking:
        return
    kinds = sorted({frame.kind for frame in frames})
    mix = possible_mix(data.mix, frames) or dict.fromkeys(kinds, 1.0)
    shares = ", ".join(f"{source} = {share:.3g}" for source, share in mix.items())
    remedy = [f'--set "data.mix={{ {shares} }}"'] if lacking != [_OTHER] else []
    remedy += ["--set data.decoys=0"] if _OTHER in lacking else []
    raise DataError(
        f"the configuration asks for {lacking[0]!r}, that is for {_WANTED.get(lacking[0], 'frames')} of this split; found "
        f"{', '.join(kinds)} alone. What goes with these: {' '.join(remedy)}"
    )


def _frames_of(frames: Sequence[Frame], source: str) -> list[Frame]:
    kinds = _KINDS.get(source, (source,))
    return [frame for frame in frames if frame.kind in kinds]


def _with_rendered_smoke(image: RGB, rng: np.random.Generator, length: tuple[float, float]) -> tuple[RGB, Map]:
    fraction = float(np.exp(rng.uniform(*np.log(length))))
    return synthetic.add_smoke(image, synthetic.render_plume(rng, image.shape[0], image.shape[1], fraction), rng)
