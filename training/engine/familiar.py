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


def fit_novelty(path: Path, frames: Sequence[Frame]) -> None:
    """Fit the novelty of a run that is done to its frames and write it into its checkpoint, unless that was done before.

    Synthetic frames are no pictures of cameras; each camera group counts once.
    """
    found = checkpoints.load(path)
    real = [frame for frame in frames if frame.kind != SYNTHETIC]
    if found.novelty or found.config.network.library or len(real) < 2:
        return
    segmenter, config = load_segmenter(path)
    groups: dict[str, list[Frame]] = defaultdict(list)
    for frame in real:
        groups[frame.group].append(frame)
    chosen = [evenly_spaced(of, _FRAMES_A_GROUP) for of in groups.values()]
    features = torch.cat([_summary(segmenter, frame, config.data.size_px) for of in chosen for frame in of])
    segmenter.novelty.fit(features, torch.tensor([1.0 / len(of) for of in chosen for _ in of]))
    novelty = {"mean": segmenter.novelty.mean, "whitening": segmenter.novelty.whitening}
    checkpoints.save(replace(found, novelty=novelty), path)


@torch.inference_mode()
def _summary(segmenter: SmokeSegmenter, frame: Frame, size_px: int) -> Tensor:
    """The mean of f3 over a whole frame, (1, channels)."""
    image = torch.from_numpy(fit(load_image(frame.image), size_px))[None].permute(0, 3, 1, 2)
    return segmenter.generator.encode(segmenter.normalise(image)).summary
