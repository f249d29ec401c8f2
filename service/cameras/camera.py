"""What is known of one camera, and what a frame does to it."""

from collections import deque
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from typing import Final, NamedTuple

from models.drift import Histogram
from service.cameras.alarm import COUNTED_REGIONS_MAX, AlarmState, Arrival, CameraAlarm
from service.cameras.evidence import Box, BoxPx, RegionObservation
from service.cameras.health import CameraHealth, DriftMonitor, FreezeDetector, quality_flags
from service.cameras.rules import Rule
from service.pipeline.detections import Assessment, FrameResult, SmokeRegion
from service.pipeline.image_stats import ImageStats
from service.runtime.model import ModelInfo

CAMERA_ID: Final = r"^([A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}|\.[A-Za-z0-9_-][A-Za-z0-9_.-]{0,62}|\.\.[A-Za-z0-9_.-]{1,62})$"
"""Up to 64 letters, digits, dots, hyphens and underscores, but neither `.` nor `..`: they mean something else in a path."""
_RECENT_FRAMES: Final = 50


class FrameObservation(NamedTuple):
    """One frame of a camera: when it was taken (if it says so) and came, what was found, on which square, what it looks like.

    `tiled` says whether tiles were looked at beside the whole frame, `model` which one answered, `damaged` whether its file was.
    """

    captured_s: float | None
    arrived_s: float
    result: FrameResult
    size_px: int
    stats: ImageStats
    tiled: bool = False
    model: ModelInfo | None = None
    damaged: bool = False


@dataclass(slots=True)
class Camera:
    """What is known of one camera.

    Attributes:
        id, label: Its name, and that in the metrics.
        alarm: Its alarm.
        seen_s: When its last frame came.
        frames: Frames answered since it is known.
        assessment, health, model: Of the last frame; the model is the one that answered it.
        boxes, boxes_px: Where smoke counted in the last frame; see `RegionObservation`.
        regions: The largest regions of the last frame that had any.
    """

    id: str
    label: str
    alarm: CameraAlarm = field(default_factory=CameraAlarm)
    seen_s: float = 0.0
    frames: int = 0
    assessment: Assessment | None = None
    model: ModelInfo | None = None
    health: CameraHealth = field(default_factory=lambda: CameraHealth(frozenset(), {}, 0.0))
    boxes: tuple[Box, ...] = ()
    boxes_px: tuple[BoxPx, ...] = ()
    regions: tuple[SmokeRegion, ...] = ()
    freeze: FreezeDetector = field(default_factory=FreezeDetector)
    drift: DriftMonitor = field(default_factory=DriftMonitor)
    recent: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=_RECENT_FRAMES))

    def take(self, frame: FrameObservation, reference: Mapping[str, Histogram]) -> None:
        """What a frame says of its camera apart from the alarm."""
        stats, regions = frame.stats, frame.result.regions
        self.seen_s = frame.arrived_s
        self.frames += 1
        self.assessment, self.model = frame.result.assessment, frame.model
        self.regions = regions[:COUNTED_REGIONS_MAX] or self.regions
        self.recent.append((len(regions), sum(region.doubted for region in regions)))
        found, doubted = (sum(counts) for counts in zip(*self.recent, strict=True))
        values = {
            "brightness": stats.brightness,
            "contrast": stats.contrast,
            "epistemic": frame.result.frame_uncertainty.epistemic,
        }
        frozen = {"frozen"} if self.freeze.frozen(stats) else set()
        damaged = {"damaged"} if frame.damaged else set()
        self.health = CameraHealth(
            quality_flags(stats) | frozen | damaged,
            self.drift.take(values, reference),
            doubted / found if found else 0.0,
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
    boxes_px: tuple[BoxPx, ...] = ()


def region_observations(
    result: FrameResult, size_px: int, rule: Rule, *, damaged: bool = False
) -> list[RegionObservation]:
    """The regions that count, and all that the alarm wants of them."""
    counted = []
    for found in result.regions:
        region, side = found.detection.region, size_px
        right, bottom = region.left + region.width, region.top + region.height
        box = (region.left / side, region.top / side, right / side, bottom / side)
        if not rule.ignores(box):
            said = (found.detection.mean_probability, found.doubted, astuple(found.box), damaged)
            counted.append(RegionObservation(box, *said))
        if len(counted) == COUNTED_REGIONS_MAX:
            break
    return counted
