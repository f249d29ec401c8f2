"""What the deployed graph says of one frame: four maps."""

from typing import NamedTuple

from models.geometry import Map


class SegmentationMaps(NamedTuple):
    """Four maps of one frame, each (size, size) float32.

    Attributes:
        probability: Of smoke, in [0, 1].
        total, aleatoric, epistemic: Uncertainties in nats, in [0, ln 2]; total = aleatoric + epistemic.
    """

    probability: Map
    total: Map
    aleatoric: Map
    epistemic: Map
