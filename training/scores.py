"""Scores the deployed graph on frames, frame by frame, and sums them up."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.frame import Mask, fit, fit_map, regions, unfit
from training import metrics
from training.calibration import Histogram, logit_histogram
from training.data.smoke5k import REAL_SMOKE, SMOKE_FREE, Frame, load_image, load_mask
from training.prediction import Predict

REGION_LEVELS = np.arange(8, metrics.LEVELS, 8)
"""Levels k (threshold k / 256) at which regions are looked for."""


@dataclass(frozen=True, slots=True)
class FrameScore:
    """What one frame's probability map is worth.

    Attributes:
        frame: Which.
        smoke_fraction: Share of the frame that is smoke.
        f_beta, iou: At the thresholds k / 256, (256,).
        squared_error: Mean of (p - y)^2; `zero_error` is that of an all-zero map.
        alarms: Whether any region is large enough, at REGION_LEVELS.
        hits: Whether any such region overlaps the truth, at REGION_LEVELS.
        logits: Its pixels by logit and truth, (2, 1025): see `calibration`.
    """

    frame: Frame
    smoke_fraction: float
    f_beta: metrics.Curve
    iou: metrics.Curve
    squared_error: float
    zero_error: float
    alarms: npt.NDArray[np.bool_]
    hits: npt.NDArray[np.bool_]
    logits: Histogram


class Summary(NamedTuple):
    """Means over frames at one threshold.

    Attributes:
        threshold: The probability from which on a pixel counts.
        f_beta, iou: Mean over frames with smoke of the score at the threshold.
        mean_squared_error, zero_error: mMSE over frames with smoke, and that of an all-zero map.
        detection_rate: Share of frames with smoke on which a region overlaps it.
        false_alarm_rate: Share of smoke-free frames with any region.
        smoke_frames, smoke_free_frames: How many there were.
    """

    threshold: float
    f_beta: float
    iou: float
    mean_squared_error: float
    zero_error: float
    detection_rate: float
    false_alarm_rate: float
    smoke_frames: int
    smoke_free_frames: int


def score_frames(predict: Predict, frames: Iterable[Frame], size_px: int, minimum_region: float) -> list[FrameScore]:
    """Score frames at their own resolution; regions are looked for at the model's, as the service does.

    Args:
        predict: The deployed graph.
        frames: What to score.
        size_px: Side of the model's square.
        minimum_region: Smallest region that counts, as a fraction of the frame.
    """
    return [_score(predict, frame, size_px, minimum_region) for frame in frames]


def summarise(scores: Sequence[FrameScore], level: int) -> Summary:
    """Means at the threshold level / 256; `level` is one of REGION_LEVELS."""
    return summarise_each([(score, level) for score in scores])._replace(threshold=level / metrics.LEVELS)


def summarise_each(leveled: Sequence[tuple[FrameScore, int]]) -> Summary:
    """Means where every frame has its own threshold, as in cross-fitting; `threshold` is then their mean."""
    smoke = [(score, level) for score, level in leveled if score.frame.kind == REAL_SMOKE]
    free = [(score, level) for score, level in leveled if score.frame.kind in SMOKE_FREE]
    return Summary(
        threshold=_mean([level / metrics.LEVELS for _, level in leveled]),
        f_beta=_mean([score.f_beta[level] for score, level in smoke]),
        iou=_mean([score.iou[level] for score, level in smoke]),
        mean_squared_error=_mean([score.squared_error for score, _ in smoke]),
        zero_error=_mean([score.zero_error for score, _ in smoke]),
        detection_rate=_mean([score.hits[_position(level)] for score, level in smoke]),
        false_alarm_rate=_mean([score.alarms[_position(level)] for score, level in free]),
        smoke_frames=len(smoke),
        smoke_free_frames=len(free),
    )


def nearest_level(threshold: float) -> int:
    """The one of REGION_LEVELS closest to a probability."""
    return int(REGION_LEVELS[np.abs(REGION_LEVELS / metrics.LEVELS - threshold).argmin()])


def choose_level(scores: Sequence[FrameScore], false_alarms: float) -> int:
    """The level with the highest mean F-beta among those that keep image-level false alarms at or under a rate.

    Where none keeps it, the level with the fewest false alarms, and the highest F-beta among those. Where no frame is smoke-free,
    none can raise a false alarm, and F-beta decides alone.
    """
    summaries = {int(level): summarise(scores, int(level)) for level in REGION_LEVELS}
    alarms = {
        level: summary.false_alarm_rate if summary.smoke_free_frames else 0.0 for level, summary in summaries.items()
    }
    allowed = max(false_alarms, min(alarms.values()))
    return max((level for level in summaries if alarms[level] <= allowed), key=lambda level: summaries[level].f_beta)


def _score(predict: Predict, frame: Frame, size_px: int, minimum_region: float) -> FrameScore:
    image = load_image(frame.image)
    mask = load_mask(frame, image.shape) > 0.5
    square = predict(fit(image, size_px)).probability
    probability = unfit(square, mask.shape[1], mask.shape[0])
    counts = metrics.count(probability, mask)
    truth = fit_map(mask.astype(np.float32), size_px) > 0
    found = [_find(square >= level / metrics.LEVELS, truth, minimum_region) for level in REGION_LEVELS]
    return FrameScore(
        frame=frame,
        smoke_fraction=float(mask.mean()),
        f_beta=metrics.f_beta(counts),
        iou=metrics.iou(counts),
        squared_error=metrics.mean_squared_error(probability, mask),
        zero_error=float(mask.mean()),
        alarms=np.array([alarm for alarm, _ in found]),
        hits=np.array([hit for _, hit in found]),
        logits=logit_histogram(probability, mask),
    )


def _find(mask: Mask, truth: Mask, minimum_region: float) -> tuple[bool, bool]:
    """Whether the mask has a region of the smallest size, and whether one of them overlaps the truth."""
    found, labels = regions(mask, minimum_region)
    return bool(found), bool(np.isin(labels[truth], [region.label for region in found]).any())


def _position(level: int) -> int:
    return int(np.flatnonzero(level == REGION_LEVELS)[0])


def _mean(values: Sequence[float | np.bool_]) -> float:
    return float(np.mean(np.array(values, np.float64))) if len(values) else float("nan")
