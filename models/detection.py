"""Detections: the regions of smoke on a frame, where they lie, and the means of the model's four maps over each.

Training scores and gates the same values that the service answers with. Free of torch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.geometry import Region, regions
from models.maps import SegmentationMaps


@dataclass(frozen=True, slots=True)
class Detection:
    """A region of smoke.

    Attributes:
        region: Its place, in pixels of the model's square; `models.geometry.box_on_frame` brings it to the frame.
        area_fraction: Of the frame, in (0, 1].
        mean_probability: In [0, 1].
        total, aleatoric, epistemic: Means over its pixels, in nats.
    """

    region: Region
    area_fraction: float
    mean_probability: float
    total: float
    aleatoric: float
    epistemic: float

    @property
    def means(self) -> dict[str, float]:
        """By the quantities that a `models.gate.Gate` may weigh."""
        return {
            "epistemic": self.epistemic,
            "total": self.total,
            "aleatoric": self.aleatoric,
            "one_minus_probability": 1.0 - self.mean_probability,
        }


def detect(maps: SegmentationMaps, threshold: float, minimum_region: float) -> list[Detection]:
    """The regions of smoke on a frame, largest first.

    Args:
        maps: Of (size, size).
        threshold: Probability from which on a pixel is smoke.
        minimum_region: Smallest region that counts, as a fraction of the frame.
    """
    found, labels = regions(maps.probability >= threshold, minimum_region)
    return measure(found, labels, maps)


def measure(found: Sequence[Region], labels: npt.NDArray[np.int32], maps: SegmentationMaps) -> list[Detection]:
    """What the maps say of regions that `models.geometry.regions` found, in their order.

    Args:
        found: The regions.
        labels: (size, size) label map.
        maps: Of (size, size).
    """
    if not found:
        return []
    inside = np.flatnonzero(labels)
    flat = labels.ravel()[inside]
    # Sums in double precision, one pass per map over the few pixels that are in a region, however many regions there are.
    sums = [np.bincount(flat, weights=values.ravel()[inside]) for values in maps]
    return [
        Detection(r, r.area_px / labels.size, *(float(total[r.label] / r.area_px) for total in sums)) for r in found
    ]
