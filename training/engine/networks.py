"""Configuration -> networks."""

from pathlib import Path

from models.networks.backbone import Backbone, EncoderWeights, load_weights, normalisation
from models.networks.generator import Generator
from models.networks.inference_model import InferenceModel
from models.networks.library import LibraryGenerator
from models.networks.segmenter import SmokeSegmenter
from models.networks.uncertainty_estimator import UncertaintyEstimator
from training.config import Config, Network
from training.engine import checkpoint as checkpoints


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


def _weights(text: str) -> EncoderWeights:
    if text == "imagenet" or text == "none":
        return text  # type: ignore[return-value]
    return Path(text)
