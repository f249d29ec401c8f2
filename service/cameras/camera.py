"""What is known of one camera, and what a frame does to it."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from models.drift import Histogram
from service.cameras.alarm import SIGHTINGS_MAX, Arrival, State, Watch
from service.cameras.evidence import Box, Sighting
from service.cameras.health import Drift, Standing, Stillness, flaws
from service.cameras.rules import Rule
from service.pipeline.detections import Assessment, FrameResult, SmokeRegion
from service.pipeline.image_stats import ImageStats

CAMERA_ID: Final = r"^[A-Za-z0-9_.-]{1,64}$"
_RECENT_FRAMES: Final = 50


class Sight(NamedTuple):
    """One frame of a camera: when it was taken (if it says so) and came, what was found, on which square, what it looks like.

    `tiled` says whether tiles were looked at beside the whole frame.
    """

    captured_s: float | None
    arrived_s: float
    result: FrameResult
    size_px: int
    stats: ImageStats
    tiled: bool = False


@dataclass(slots=True)
class Camera:
    """What is known of one camera.

    Attributes:
        id, label: Its name, and that in the metrics.
        watch: Its alarm.
        seen_s: When its last frame came.
        frames: Frames answered since it is known.
        assessment, standing: Of the last frame.
        boxes: Where smoke counted in the last frame.
        places: The largest regions of the last frame that had any.
    """

    id: str
    label: str
    watch: Watch = field(default_factory=Watch)
    seen_s: float = 0.0
    frames: int = 0
    assessment: Assessment | None = None
    standing: Standing = field(default_factory=lambda: Standing(frozenset(), {}, 0.0))
    boxes: tuple[Box, ...] = ()
    regions: tuple[SmokeRegion, ...] = ()
    stillness: Stillness = field(default_factory=Stillness)
    drift: Drift = field(default_factory=Drift)
    recent: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=_RECENT_FRAMES))

    def take(self, sight: Sight, reference: Mapping[str, Histogram]) -> None:
        """What a frame says of its camera apart from the alarm."""
        stats, regions = sight.stats, sight.result.regions
        self.seen_s = sight.arrived_s
        self.frames += 1
        self.assessment = sight.result.assessment
        self.regions = regions[:SIGHTINGS_MAX] or self.regions
        self.recent.append((len(regions), sum(place.doubted for place in regions)))
        found, doubted = (sum(counts) for counts in zip(*self.recent, strict=True))
        values = {
            "brightness": stats.brightness,
            "contrast": stats.contrast,
            "epistemic": sight.result.frame_uncertainty.epistemic,
        }
        frozen = {"frozen"} if self.stillness.frozen(stats) else set()
        self.standing = Standing(
            flaws(stats) | frozen, self.drift.take(values, reference), doubted / found if found else 0.0
        )


class AlarmNow(NamedTuple):
    """What a reply says of its camera's alarm; see `Watch`. `since_s` is None until a first frame was counted."""

    state: State
    since_s: float | None
    score: float
    frames: int
    arrival: Arrival
    restored: bool


class Change(NamedTuple):
    """A camera went from one state to another, or raised one more alarm."""

    camera_id: str
    before: State
    after: State
    since_s: float
    score: float
    frames: int
    boxes: tuple[Box, ...]


def sightings_of(result: FrameResult, size_px: int, rule: Rule) -> tuple[tuple[Box, ...], list[Sighting]]:
    """The regions that count, as fractions of the frame: their boxes, and all that the alarm wants of them."""
    counted = []
    for place in result.regions:
        region, side = place.detection.region, size_px
        right, bottom = region.left + region.width, region.top + region.height
        box = (region.left / side, region.top / side, right / side, bottom / side)
        if not rule.ignores(box):
            counted.append(Sighting(box, place.detection.mean_probability, place.doubted))
        if len(counted) == SIGHTINGS_MAX:
            break
    return tuple(sighting.box for sighting in counted), counted
