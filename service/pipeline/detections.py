"""What one frame amounts to: is there smoke, where, how uncertain. Found at the model's size, told in pixels of the frame."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

import cv2
import numpy as np

from models.detection import Detection, detect
from models.gate import Gate
from models.geometry import Box, Mask, box_on_frame
from models.maps import SegmentationMaps
from service.errors import InferenceFailed
from service.pipeline.encode import Size

REGIONS_MAX: Final = 32
"""Most regions in a reply, the largest ones: a noisy frame has thousands."""


class Assessment(StrEnum):
    """What a frame shows, in a word: `smoke` where there is any region, else `clear`."""

    CLEAR = "clear"
    SMOKE = "smoke"

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        """Services before 0.9.0 also said `uncertain`, of smoke in which every region is doubted: a client still reads that."""
        return cls("smoke") if value == "uncertain" else None


@dataclass(frozen=True, slots=True)
class SmokeStats:
    """What was found.

    Attributes:
        detected: There is a region of at least the manifest's `minimum_region`.
        area_fraction: Smoke pixels over all pixels, in [0, 1], regions of any size counted.
        max_probability: Of any pixel, in [0, 1].
    """

    detected: bool
    area_fraction: float
    max_probability: float


@dataclass(frozen=True, slots=True)
class MeanUncertainty:
    """Mean uncertainties over a set of pixels, in nats."""

    total: float
    aleatoric: float
    epistemic: float


@dataclass(frozen=True, slots=True)
class FrameNovelty:
    """How unlike the frames of the model's training a frame is.

    Attributes:
        score: `SegmentationMaps.novelty`.
        limit: The manifest's `novelty_limit`.
    """

    score: float
    limit: float

    @property
    def unfamiliar(self) -> bool:
        """Whether the frame is unlike nearly all on which the model was measured."""
        return self.score > self.limit


@dataclass(frozen=True, slots=True)
class SmokeRegion:
    """A region of smoke on the frame.

    Attributes:
        box: In pixels of the frame.
        area_px: In pixels of the frame.
        detection: What the model says of it.
        doubted: Whether the manifest's gate doubts it: it is smoke all the same.
    """

    box: Box
    area_px: int
    detection: Detection
    doubted: bool


@dataclass(frozen=True, slots=True)
class FrameResult:
    """Smoke, and uncertainty over the whole frame and over the smoke pixels; the latter is None where there are none.

    Attributes:
        regions: Every one, largest first.
        novelty: None where the release tells none.
    """

    smoke: SmokeStats
    frame_uncertainty: MeanUncertainty
    smoke_uncertainty: MeanUncertainty | None
    regions: tuple[SmokeRegion, ...]
    novelty: FrameNovelty | None = None

    @property
    def assessment(self) -> Assessment:
        """The frame in a word."""
        return Assessment.SMOKE if self.regions else Assessment.CLEAR


def detect_smoke(
    prediction: SegmentationMaps,
    frame: Size,
    threshold: float,
    minimum_region: float,
    gate: Gate | None = None,
    novelty_limit: float | None = None,
) -> FrameResult:
    """Find the smoke in a frame's maps.

    Args:
        prediction: Maps of (size, size).
        frame: Size of the frame on which the regions are placed.
        threshold: Probability from which on a pixel is smoke.
        minimum_region: Smallest region, as a fraction of the frame.
        gate: Doubts regions; None doubts none.
        novelty_limit: Novelty above which a frame is unfamiliar; None where the release tells none.

    Raises:
        InferenceFailed: A map holds something that is no number.
    """
    mask: Mask = prediction.probability >= threshold
    most = float(prediction.probability.max())
    everywhere = _mean_uncertainty(prediction)
    if not np.isfinite([most, everywhere.total, everywhere.aleatoric, everywhere.epistemic]).all():
        raise InferenceFailed("the model answered with something that is no number")
    regions = _regions(detect(prediction, threshold, minimum_region), mask.shape[0], frame, gate)
    smoke_px = int(np.count_nonzero(mask))
    smoke = SmokeStats(bool(regions), smoke_px / mask.size, most)
    over_smoke = _mean_uncertainty(prediction, mask) if smoke_px else None
    return FrameResult(smoke, everywhere, over_smoke, regions, _novelty(prediction.novelty, novelty_limit))


def _novelty(score: float | None, limit: float | None) -> FrameNovelty | None:
    """None where the release tells none, and for a score that is no number: that costs no frame its answer."""
    if score is None or limit is None or not math.isfinite(score):
        return None
    return FrameNovelty(score, limit)


def _regions(found: Sequence[Detection], size_px: int, frame: Size, gate: Gate | None) -> tuple[SmokeRegion, ...]:
    return tuple(
        SmokeRegion(
            box_on_frame(detection.region, size_px, frame.width, frame.height),
            max(1, round(detection.area_fraction * frame.width * frame.height)),
            detection,
            gate is not None and gate.doubts(detection.means),
        )
        for detection in found
    )


def _mean_uncertainty(prediction: SegmentationMaps, pixels: Mask | None = None) -> MeanUncertainty:
    """Means, of all pixels or of some, in double precision as OpenCV sums: a float32 sum over many pixels drifts."""
    maps = (prediction.total, prediction.aleatoric, prediction.epistemic)
    if pixels is None:
        return MeanUncertainty(*(float(cv2.mean(values)[0]) for values in maps))
    inside = np.flatnonzero(pixels)
    return MeanUncertainty(*(float(values.ravel()[inside].mean(dtype=np.float64)) for values in maps))
