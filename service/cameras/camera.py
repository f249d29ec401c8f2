"""What is known of one camera, and what a frame does to it."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from models.drift import Histogram
from service.cameras.alarm import COUNTED_REGIONS_MAX, AlarmState, Arrival, CameraAlarm
from service.cameras.evidence import Box, RegionObservation
from service.cameras.health import CameraHealth, DriftMonitor, FreezeDetector, quality_flags
from service.cameras.rules import Rule
from service.pipeline.detections import Assessment, FrameResult, SmokeRegion
from service.pipeline.image_stats import ImageStats

CAMERA_ID: Final = r"^[A-Za-z0-9_.-]{1,64}$"
_RECENT_FRAMES: Final = 50


class FrameObservation(NamedTuple):
    """One frame of a camera: when it was taken (if it says so) and came, what was found, on which square, what it looks like.

    `tiled` says whether tiles were looked at beside the whole frame, `threshold` from which probability on a pixel was smoke.
    """

    captured_s: float | None
    arrived_s: float
    result: FrameResult
    size_px: int
    stats: ImageStats
    tiled: bool = False
    threshold: float | None = None


@dataclass(slots=True)
class Camera:
    """What is known of one camera.

    Attributes:
        id, label: Its name, and that in the metrics.
        alarm: Its alarm.
        seen_s: When its last frame came.
        frames: Frames answered since it is known.
        assessment, health: Of the last frame.
        boxes: Where smoke counted in the last frame.
        regions: The largest regions of the last frame that had any.
        threshold: That of the last frame.
    """

    id: str
    label: str
    alarm: CameraAlarm = field(default_factory=CameraAlarm)
    seen_s: float = 0.0
    frames: int = 0
    assessment: Assessment | None = None
    health: CameraHealth = field(default_factory=lambda: CameraHealth(frozenset(), {}, 0.0))
    boxes: tuple[Box, ...] = ()
    regions: tuple[SmokeRegion, ...] = ()
    threshold: float | None = None
    freeze: FreezeDetector = field(default_factory=FreezeDetector)
    drift: DriftMonitor = field(default_factory=DriftMonitor)
    recent: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=_RECENT_FRAMES))

    def take(self, frame: FrameObservation, reference: Mapping[str, Histogram]) -> None:
        """What a frame says of its camera apart from the alarm."""
        stats, regions = frame.stats, frame.result.regions
        self.seen_s = frame.arrived_s
        self.frames += 1
        self.assessment = frame.result.assessment
        self.threshold = frame.threshold
        self.regions = regions[:COUNTED_REGIONS_MAX] or self.regions
        self.recent.append((len(regions), sum(region.doubted for region in regions)))
        found, doubted = (sum(counts) for counts in zip(*self.recent, strict=True))
        values = {
            "brightness": stats.brightness,
            "contrast": stats.contrast,
            "epistemic": frame.result.frame_uncertainty.epistemic,
        }
        frozen = {"frozen"} if self.freeze.frozen(stats) else set()
        self.health = CameraHealth(
            quality_flags(stats) | frozen, self.drift.take(values, reference), doubted / found if found else 0.0
        )


class AlarmStatus(NamedTuple):
    """What a reply says of its camera's alarm; see `CameraAlarm`. `since_s` is None until a first frame was counted."""

    state: AlarmState
    since_s: float | None
    score: float
    frames: int
    arrival: Arrival
    restored: bool


class AlarmTransition(NamedTuple):
    """A camera went from one state to another, or raised one more alarm."""

    camera_id: str
    before: AlarmState
    after: AlarmState
    since_s: float
    score: float
    frames: int
    boxes: tuple[Box, ...]


def region_observations(
    result: FrameResult, size_px: int, rule: Rule
) -> tuple[tuple[Box, ...], list[RegionObservation]]:
    """The regions that count, as fractions of the frame: their boxes, and all that the alarm wants of them."""
    counted = []
    for found in result.regions:
        region, side = found.detection.region, size_px
        right, bottom = region.left + region.width, region.top + region.height
        box = (region.left / side, region.top / side, right / side, bottom / side)
        if not rule.ignores(box):
            detection = found.detection
            counted.append(RegionObservation(box, detection.mean_probability, found.doubted, detection.silent_above))
        if len(counted) == COUNTED_REGIONS_MAX:
            break
    return tuple(observation.box for observation in counted), counted
