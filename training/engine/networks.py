"""Configuration -> networks; and, of trained ones, which frames they find familiar."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from models.geometry import fit
from models.networks.backbone import Backbone, EncoderWeights, load_weights, normalisation
from models.networks.generator import Generator
from models.networks.inference_model import InferenceModel
from models.networks.library import LibraryGenerator
from models.networks.segmenter import SmokeSegmenter
from models.networks.uncertainty_estimator import UncertaintyEstimator
from training.config import Config, Network
from training.data.folders import evenly_spaced
from training.data.frames import SYNTHETIC, Frame, load_image
from training.engine import checkpoint as checkpoints

_FRAMES_A_GROUP = 6
"""Of a camera: the rest are near-duplicates of these."""
_FRAMES_MAX = 2000
"""In all, two minutes of a core: a Gaussian of some hundred dimensions needs no more."""


def build_segmenter(network: Network, *, pretrained: bool) -> SmokeSegmenter:
    """The three networks of the paper in the module that is deployed.

    Args:
        network: Their shape.
        pretrained: Fill the encoder with the configured weights; False where a checkpoint follows anyway.

    Raises:
        LibraryError: A network of the library cannot be had.
        WeightsError: The encoder's weights cannot be had.
    """
    backbone = Backbone(network.encoder)
    library = LibraryGenerator(network.library, backbone, network.encoder) if network.library else None
    if pretrained:
        load_weights(backbone, network.encoder, _weights(network.encoder_weights))
    generator = library or Generator(
        backbone,
        latent_dim=network.latent_dim,
        channels=network.channels,
        aspp_hidden=network.aspp_hidden,
        aspp_growth=network.aspp_growth,
        dilations=network.dilations,
        stride=network.decoder_stride,
        dropout=network.dropout,
        modulated=network.modulated,
    )
    return SmokeSegmenter(
        normalisation(network.encoder),
        InferenceModel(network.latent_dim),
        generator,  # type: ignore[arg-type]  # it answers as a Generator does
        UncertaintyEstimator(network.estimator_channels),
    )


def load_segmenter(path: Path) -> tuple[SmokeSegmenter, Config]:
    """The averaged networks of a checkpoint, in evaluation mode, and their configuration. Raises CheckpointError."""
    found = checkpoints.load(path)
    segmenter = build_segmenter(found.config.network, pretrained=False)
    try:
        segmenter.load_state_dict(checkpoints.load_averaged(path))
    except RuntimeError as error:
        raise checkpoints.CheckpointError(
            f"{path}: not of the networks that it names: {' '.join(str(error).split())}"
        ) from error
    if found.novelty:
        segmenter.novelty.set(**found.novelty)
    return segmenter.eval(), found.config


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


def _weights(text: str) -> EncoderWeights:
    if text == "imagenet" or text == "none":
        return text  # type: ignore[return-value]
    return Path(text)
