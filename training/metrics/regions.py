"""What the deployed graph finds on a frame at every threshold: regions, right or wrong, and the true regions that they reach."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.detection import Detection, measure
from models.geometry import Mask, regions
from models.maps import SegmentationMaps
from training.data.frames import Frame
from training.metrics import segmentation

REGION_LEVELS = np.array([*range(8, segmentation.LEVELS, 8), 252, 254])
"""Levels k (threshold k / 256) at which regions are looked for; closer near 1, where the least false-alarm rates are certified."""
SCORES = ("epistemic", "total", "aleatoric", "one_minus_probability", "epistemic_share")

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class RegionMatch:
    """A detected region and what the model says of it.

    Attributes:
        frame: On which it was found.
        true: Whether it overlaps the truth.
        detection: Its means, as the service answers with them.
    """

    frame: Frame
    true: bool
    detection: Detection

    def doubt(self, score: str) -> float:
        """One of SCORES: higher means more doubtful."""
        if score == "epistemic_share":
            return self.detection.epistemic / max(self.detection.total, 1e-6)
        return self.detection.means[score]


@dataclass(frozen=True, slots=True)
class FrameRegions:
    """Of one frame.

    Attributes:
        matches: At each of REGION_LEVELS, the regions of at least the smallest size.
        truth_fractions: Share of the frame of each true region, (n,).
        truth_found: Whether any such region overlaps it, (levels, n).
    """

    matches: tuple[tuple[RegionMatch, ...], ...]
    truth_fractions: segmentation.Curve
    truth_found: Flags

    def at(self, level: int) -> tuple[RegionMatch, ...]:
        """The regions at one of REGION_LEVELS."""
        return self.matches[position(level)]

    def recalled(self, level: int) -> Flags:
        """Which true regions are found at one of REGION_LEVELS, (n,)."""
        return np.asarray(self.truth_found[position(level)])


def match_regions(frame: Frame, maps: SegmentationMaps, truth: Mask, minimum_region: float) -> FrameRegions:
    """Look for regions at every level.

    Args:
        frame: Which.
        maps: Of the model's square.
        truth: Of the same square.
        minimum_region: Smallest region that counts, as a fraction of the frame; every true region counts.
    """
    real, truth_labels = regions(truth, 0.0)
    true_at = truth_labels[truth]
    found, reached = [], []
    for level in REGION_LEVELS:
        candidates, labels = regions(maps.probability >= level / segmentation.LEVELS, minimum_region)
        large = [region.label for region in candidates]
        found_at = labels[truth]
        hit = set(found_at.tolist()).intersection(large)
        seen = set(true_at[np.isin(found_at, large)].tolist()) if hit else set()
        found.append(tuple(RegionMatch(frame, d.region.label in hit, d) for d in measure(candidates, labels, maps)))
        reached.append([region.label in seen for region in real])
    fractions = np.array([region.area_px / truth.size for region in real], np.float64)
    return FrameRegions(tuple(found), fractions, np.array(reached, np.bool_).reshape(len(REGION_LEVELS), len(real)))


def position(level: int) -> int:
    """Where a level stands in REGION_LEVELS."""
    return int(np.flatnonzero(level == REGION_LEVELS)[0])
