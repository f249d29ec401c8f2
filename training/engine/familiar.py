"""What a trained network finds familiar: the density of `models.networks.novelty`, fitted to the frames that it learned from."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from models.geometry import fit
from models.networks.segmenter import SmokeSegmenter
from training.data.folders import evenly_spaced
from training.data.frames import SYNTHETIC, Frame, load_image
from training.engine import checkpoint as checkpoints
from training.engine.networks import load_segmenter

_FRAMES_A_GROUP = 6
"""Of a camera: the rest are near-duplicates of these."""
_FRAMES_MAX = 2000
"""In all, two minutes of a core: a Gaussian of some hundred dimensions needs no more."""


def fit_novelty(path: Path, frames: Sequence[Frame]) -> None:
    """Fit the novelty of a run that is done to its frames and write it into its checkpoint, unless that was done before.

    Synthetic frames are no pictures of cameras; each camera group counts once. Frames that are all alike tell nothing, and it stays
    unfitted.
    """
    found = checkpoints.load(path)
    real = [frame for frame in frames if frame.kind != SYNTHETIC]
    if found.novelty or found.config.network.library or len(real) < 2:
        return
    segmenter, config = load_segmenter(path)
    groups: dict[str, list[Frame]] = defaultdict(list)
    for frame in real:
        groups[frame.group].append(frame)
    few = {name: evenly_spaced(of, _FRAMES_A_GROUP) for name, of in groups.items()}
    chosen = evenly_spaced([frame for of in few.values() for frame in of], _FRAMES_MAX)
    features = torch.cat([_summary(segmenter, frame, config.data.size_px) for frame in chosen])
    if not features.std(0).any():
        return
    segmenter.novelty.fit(features, torch.tensor([1.0 / len(few[frame.group]) for frame in chosen]))
    novelty = {"mean": segmenter.novelty.mean, "whitening": segmenter.novelty.whitening}
    checkpoints.save(replace(found, novelty=novelty), path)


@torch.inference_mode()
def _summary(segmenter: SmokeSegmenter, frame: Frame, size_px: int) -> Tensor:
    """The mean of f3 over a whole frame, (1, channels)."""
    image = torch.from_numpy(fit(load_image(frame.image), size_px))[None].permute(0, 3, 1, 2)
    return segmenter.generator.encode(segmenter.normalise(image)).summary
