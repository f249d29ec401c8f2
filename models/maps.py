"""What the deployed graph says of one frame: four maps, and how unlike its training frames the frame is."""

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from models.geometry import Map


class SegmentationMaps(NamedTuple):
    """Four maps of one frame, each (size, size) float32, and one number.

    Attributes:
        probability: Of smoke, in [0, 1].
        total, aleatoric, epistemic: Uncertainties in nats, in [0, ln 2]; total = aleatoric + epistemic.
        novelty: Squared Mahalanobis distance to the training frames in feature space, about 1 for those; see
            `models.networks.novelty`. None where the release does not tell it.
    """

    probability: Map
    total: Map
    aleatoric: Map
    epistemic: Map
    novelty: float | None = None

    @classmethod
    def of(cls, outputs: Sequence[npt.NDArray[np.float32]]) -> Self:
        """From what the graph gives of one frame: the four maps in their order and, where it tells it, novelty, of no axes."""
        probability, total, aleatoric, epistemic, *novelty = outputs
        return cls(probability, total, aleatoric, epistemic, float(novelty[0]) if novelty else None)

    @property
    def maps(self) -> tuple[Map, Map, Map, Map]:
        """The four maps, in the order of `models.manifest.OUTPUTS`."""
        return self[:4]
