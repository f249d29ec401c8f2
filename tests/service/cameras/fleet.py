"""Cameras with a clock, and frames with or without smoke for them."""

import asyncio

import numpy as np
from prometheus_client import CollectorRegistry

from models.detection import Detection
from models.drift import Histogram
from models.geometry import Box, Region
from service.cameras.alarm_status import AlarmTransition
from service.cameras.clock import Stamp
from service.cameras.evidence import AlarmPolicy
from service.cameras.metrics import CameraMetrics
from service.cameras.observation import FrameObservation
from service.cameras.registry import Cameras
from service.cameras.rules import CameraFile
from service.pipeline.detections import FrameNovelty, FrameResult, MeanUncertainty, SmokeRegion, SmokeStats
from service.pipeline.image_stats import ImageStats

NOISE = np.random.default_rng(0)


def stats(brightness: float = 0.5) -> ImageStats:
    return ImageStats(NOISE.integers(0, 256, (160, 160), dtype=np.uint8), brightness, 0.2, 0.5, 0.0)


def region(left: int = 40, *, doubted: bool = False) -> SmokeRegion:
    """A region of 10 x 10 of 100 x 100 pixels."""
    detection = Detection(Region(left, 40, 10, 10, 100, 1), 0.01, 0.9, 0.4, 0.3, 0.1)
    return SmokeRegion(Box(left, 40, 10, 10), 100, detection, doubted)


def result(*regions: SmokeRegion, novelty: FrameNovelty | None = None) -> FrameResult:
    uncertainty = MeanUncertainty(0.4, 0.3, 0.1) if regions else None
    return FrameResult(
        SmokeStats(bool(regions), 0.01 * len(regions), 0.9),
        MeanUncertainty(0.04, 0.03, 0.01),
        uncertainty,
        regions,
        novelty,
    )


class Fleet:
    """Cameras with their metrics, a clock, and what was told."""

    def __init__(self, most: int = 2) -> None:
        self.registry = CollectorRegistry()
        self.told: list[AlarmTransition] = []
        self.cameras = Cameras(most, CameraFile(None, AlarmPolicy()), CameraMetrics(self.registry), self.told.append)
        self.now_s = 1_000.0
        self.reference: dict[str, Histogram] = {}

    def frame(
        self,
        camera_id: str,
        *regions: SmokeRegion,
        brightness: float = 0.5,
        view: str = "",
        damaged: bool = False,
        novelty: FrameNovelty | None = None,
    ):
        self.now_s += 60.0
        seen = (Stamp(self.now_s, self.now_s), result(*regions, novelty=novelty), 100, stats(brightness))
        frame = FrameObservation(*seen, view=view, damaged=damaged)
        return asyncio.run(self.cameras.observe(camera_id, frame, self.reference))

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)
