"""Does doubt earn its keep? Regions that the model found, right or wrong, ranked by what it says of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from models.frame import Map, Mask, fit, fit_map, regions
from training.data.smoke5k import Frame, load_image, load_mask
from training.prediction import Maps, Predict

SCORES = ("epistemic", "total", "aleatoric", "one_minus_probability", "epistemic_share")


@dataclass(frozen=True, slots=True)
class RegionScore:
    """A detected region and what the model says of it.

    Attributes:
        group: Camera or event of its frame.
        true: Whether it overlaps the truth.
        area_fraction: Of the frame.
        probability: Mean over the region.
        total, aleatoric, epistemic: Means over the region, in nats.
    """

    group: str
    true: bool
    area_fraction: float
    probability: float
    total: float
    aleatoric: float
    epistemic: float

    def doubt(self, score: str) -> float:
        """One of SCORES: higher means more doubtful."""
        if score == "one_minus_probability":
            return 1.0 - self.probability
        if score == "epistemic_share":
            return self.epistemic / max(self.total, 1e-6)
        return float(getattr(self, score))


def score_regions(
    predict: Predict, frames: Sequence[Frame], size_px: int, threshold: float, minimum_region: float
) -> list[RegionScore]:
    """Every region that the deployed graph detects on the frames, as the service detects them."""
    found = []
    for frame in frames:
        image = load_image(frame.image)
        truth = fit_map(load_mask(frame, image.shape), size_px) > 0
        found += _regions_of(predict(fit(image, size_px)), truth, frame.group, threshold, minimum_region)
    return found


def auroc(doubt: Sequence[float], false: Sequence[bool]) -> float:
    """The probability that a false region is doubted more than a true one, ties counting half; nan without both.

    Source: Mann and Whitney 1947: AUROC = U / (n_false n_true).
    """
    values, wrong = np.asarray(doubt, np.float64), np.asarray(false, np.bool_)
    if not wrong.any() or wrong.all():
        return float("nan")
    statistic = stats.mannwhitneyu(values[wrong], values[~wrong]).statistic
    return float(statistic / (wrong.sum() * (~wrong).sum()))


def report_doubt(scores: Sequence[RegionScore]) -> dict[str, float | int]:
    """AUROC of each score at telling false from true regions, and how many there were of both."""
    false = [not region.true for region in scores]
    counts = {"true_regions": len(false) - sum(false), "false_regions": sum(false)}
    return counts | {score: auroc([region.doubt(score) for region in scores], false) for score in SCORES}


def _regions_of(maps: Maps, truth: Mask, group: str, threshold: float, minimum_region: float) -> list[RegionScore]:
    found, labels = regions(maps.probability >= threshold, minimum_region)

    def mean(values: Map, label: int) -> float:
        return float(values[labels == label].mean())

    return [
        RegionScore(
            group,
            bool(truth[labels == region.label].any()),
            region.area_px / labels.size,
            *(mean(values, region.label) for values in maps),
        )
        for region in found
    ]
