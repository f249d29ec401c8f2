"""Scores the deployed graph on frames, frame by frame, and sums them up."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from models.drift import thumbnail
from models.geometry import RGB, Map, Mask, fit, fit_map, unfit
from models.maps import SegmentationMaps
from training.data.frames import REAL_SMOKE, SMOKE_FREE, Frame, load_image, load_mask
from training.evaluation.predictor import Predictor, predict_frame
from training.metrics import segmentation
from training.metrics.calibration import Calibration, LogitHistogram, change_logits, logit_histogram
from training.metrics.pixel_doubt import EpistemicCounts, count_epistemic
from training.metrics.regions import REGION_LEVELS, FrameRegions, match_regions
from training.metrics.selective import Sums, squared_error_by_doubt


class RawScore(NamedTuple):
    """What a frame's uncalibrated probability is worth, which is what the paper scores: see FrameScore."""

    mean_f_beta: float
    adaptive_f_beta: float
    squared_error: float


@dataclass(frozen=True, slots=True)
class FrameScore:
    """What one frame's maps are worth.

    Attributes:
        frame: Which.
        smoke_fraction: Share of the frame that is smoke.
        f_beta, iou, precision, recall: At the thresholds k / 256, (256,).
        adaptive_f_beta: At the threshold that is twice the mean probability.
        squared_error: Mean of (p - y)^2; `zero_error` is that of an all-zero map.
        regions: Those found, at REGION_LEVELS.
        logits: Its pixels by logit and truth, (2, 1025): see `calibration`.
        doubts: Its pixels and their error by doubt: see `selective`.
        looks: By the quantities of `models.drift.DRIFTING`, those that the model tells.
        epistemic: Its pixels by truth, level and epistemic uncertainty: see `pixel_doubt`.
        raw: What its probability was worth before it was calibrated; None where that is not known.
    """

    frame: Frame
    smoke_fraction: float
    f_beta: segmentation.Curve
    iou: segmentation.Curve
    precision: segmentation.Curve
    recall: segmentation.Curve
    adaptive_f_beta: float
    squared_error: float
    zero_error: float
    regions: FrameRegions
    logits: LogitHistogram
    doubts: Sums
    looks: Mapping[str, float]
    epistemic: EpistemicCounts
    raw: RawScore | None = None

    def alarms(self, level: int) -> bool:
        """Whether any region is large enough at one of REGION_LEVELS."""
        return bool(self.regions.at(level))

    def hits(self, level: int) -> bool:
        """Whether any such region overlaps the truth."""
        return any(region.true for region in self.regions.at(level))


class Summary(NamedTuple):
    """Means over frames at one threshold.

    Attributes:
        threshold: The probability from which on a pixel counts.
        f_beta, iou: Mean over frames with smoke of the score at the threshold.
        mean_squared_error, zero_error: mMSE over frames with smoke, and that of an all-zero map.
        detection_rate: Share of frames with smoke on which a region overlaps it.
        false_alarm_rate: Share of smoke-free frames with any region.
        smoke_frames, smoke_free_frames: How many there were.
        precision, recall: Mean over frames with smoke, of pixels.
        region_recall: Share of the true regions that a region overlaps.
        true_regions: How many there were.
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
    precision: float
    recall: float
    region_recall: float
    true_regions: int


LeveledScores = Sequence[tuple[FrameScore, int]]
"""Frames, each with the level of its threshold."""


def score_frames(model: Predictor, frames: Iterable[Frame]) -> list[FrameScore]:
    """Score frames at their own resolution; regions and doubt are looked at in the model's square, as the service does."""
    return [_score(model, frame) for frame in frames]


def summarise(scores: Sequence[FrameScore], level: int) -> Summary:
    """Means at the threshold level / 256; `level` is one of REGION_LEVELS."""
    return summarise_each([(score, level) for score in scores])._replace(threshold=level / segmentation.LEVELS)


def summarise_each(leveled: LeveledScores) -> Summary:
    """Means where every frame has its own threshold, as in cross-fitting; `threshold` is then their mean."""
    found = {name: _mean([value for _, value in values]) for name, values in values_by_group(leveled).items()}
    kinds = [score.frame.kind for score, _ in leveled]
    return Summary(
        threshold=_mean([level / segmentation.LEVELS for _, level in leveled]),
        smoke_frames=kinds.count(REAL_SMOKE),
        smoke_free_frames=sum(kind in SMOKE_FREE for kind in kinds),
        true_regions=sum(len(score.regions.truth_fractions) for score, _ in _with_smoke(leveled)),
        **found,
    )


def values_by_group(leveled: LeveledScores) -> dict[str, list[tuple[str, float]]]:
    """The values whose means are a Summary, by its names, each with the camera group that it is of."""
    smoke = _with_smoke(leveled)
    free = [(score, level) for score, level in leveled if score.frame.kind in SMOKE_FREE]
    return {
        **{
            name: [(score.frame.group, float(getattr(score, name)[level])) for score, level in smoke]
            for name in ("f_beta", "iou", "precision", "recall")
        },
        "mean_squared_error": [(score.frame.group, score.squared_error) for score, _ in smoke],
        "zero_error": [(score.frame.group, score.zero_error) for score, _ in smoke],
        "detection_rate": [(score.frame.group, float(score.hits(level))) for score, level in smoke],
        "false_alarm_rate": [(score.frame.group, float(score.alarms(level))) for score, level in free],
        "region_recall": [
            (score.frame.group, float(found)) for score, level in smoke for found in score.regions.recalled(level)
        ],
    }


def nearest_level(threshold: float) -> int:
    """The one of REGION_LEVELS closest to a probability."""
    return int(REGION_LEVELS[np.abs(REGION_LEVELS / segmentation.LEVELS - threshold).argmin()])


def choose_level(scores: Sequence[FrameScore], false_alarms: float) -> int:
    """The level with the highest mean F-beta among those that keep image-level false alarms at or under a rate.

    Where none keeps it, the level with the fewest false alarms, and the highest F-beta among those. Where no frame is smoke-free,
    none can raise a false alarm, and F-beta decides alone. Where so few are that the rate is half an alarm or more but not a whole one,
    one is allowed: else a single odd frame would decide.
    """
    summaries = {int(level): summarise(scores, int(level)) for level in REGION_LEVELS}
    alarms = {
        level: summary.false_alarm_rate if summary.smoke_free_frames else 0.0 for level, summary in summaries.items()
    }
    free = sum(score.frame.kind in SMOKE_FREE for score in scores)
    one = 1.0 / free if false_alarms * free >= 0.5 else 0.0
    allowed = max(false_alarms, one, min(alarms.values()))
    return max((level for level in summaries if alarms[level] <= allowed), key=lambda level: summaries[level].f_beta)


def _score(model: Predictor, frame: Frame) -> FrameScore:
    image = load_image(frame.image)
    mask = load_mask(frame, image.shape) > 0.5
    maps = predict_frame(model, image)
    probability = unfit(maps.probability, mask.shape[1], mask.shape[0])
    counts = segmentation.count(probability, mask)
    truth = fit_map(mask.astype(np.float32), maps.probability.shape[0])
    return FrameScore(
        frame=frame,
        smoke_fraction=float(mask.mean()),
        f_beta=segmentation.f_beta(counts),
        iou=segmentation.iou(counts),
        precision=segmentation.precision(counts),
        recall=segmentation.recall(counts),
        adaptive_f_beta=segmentation.adaptive_f_beta(probability, mask),
        squared_error=segmentation.mean_squared_error(probability, mask),
        zero_error=float(mask.mean()),
        regions=match_regions(frame, maps, truth > 0, model.minimum_region),
        logits=logit_histogram(probability, mask),
        doubts=squared_error_by_doubt(maps, truth >= 0.5),
        looks=_looks(fit(image, model.size_px), maps),
        epistemic=count_epistemic(maps, truth >= 0.5),
        raw=_raw(maps.probability, mask, model.calibration) if model.calibration else None,
    )


def _raw(probability: Map, mask: Mask, calibration: Calibration) -> RawScore:
    """What the map is worth without its calibration."""
    raw = unfit(change_logits(probability, calibration.raw), mask.shape[1], mask.shape[0])
    return RawScore(
        mean_f_beta=float(segmentation.f_beta(segmentation.count(raw, mask)).mean()),
        adaptive_f_beta=segmentation.adaptive_f_beta(raw, mask),
        squared_error=segmentation.mean_squared_error(raw, mask),
    )


def _looks(square: RGB, maps: SegmentationMaps) -> dict[str, float]:
    """By the quantities of DRIFTING: brightness and contrast of the thumbnail that the service looks at, and what the model says."""
    grey = thumbnail(square) / 255.0
    said = {} if maps.novelty is None else {"novelty": maps.novelty}
    epistemic = float(maps.epistemic.mean(dtype=np.float64))
    return {"brightness": float(grey.mean()), "contrast": float(grey.std()), "epistemic": epistemic} | said


def _with_smoke(leveled: LeveledScores) -> list[tuple[FrameScore, int]]:
    return [(score, level) for score, level in leveled if score.frame.kind == REAL_SMOKE]


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(np.array(values, np.float64))) if len(values) else float("nan")
