"""Every camera's state: which cameras are remembered, what a frame does to its own, and what is told of it. Belongs to the event loop.

Ids come from outside, so their number is bounded: so many cameras have a label of their own in the metrics, as many again share
`other`. Room is made by forgetting the one that is longest silent, and never one that alarms or waits for review; but whichever is
silent for a day is forgotten, for a camera that was taken down must not alarm for ever.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from models.drift import Histogram
from service.alarm import SIGHTINGS_MAX, Arrival, State, Watch
from service.camera_file import CameraFile, Rule
from service.camera_metrics import OTHER, CameraMetrics, Standing
from service.drift import Drift
from service.evidence import Box, Sighting
from service.pipeline.detections import Assessment, Place, Summary
from service.pipeline.image_stats import Look, Stillness, flaws

_LOG = logging.getLogger("service.cameras")
_SILENT_S: Final = 3600.0
_GONE_S: Final = 86_400.0
_RECENT_FRAMES: Final = 50
_HELD: Final = (State.ALARM, State.REVIEW)


class Sight(NamedTuple):
    """One frame of a camera: when it was taken (if it says so) and came, what was found, on which square, what it looks like."""

    captured_s: float | None
    arrived_s: float
    summary: Summary
    size_px: int
    look: Look


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
    places: tuple[Place, ...] = ()
    stillness: Stillness = field(default_factory=Stillness)
    drift: Drift = field(default_factory=Drift)
    recent: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=_RECENT_FRAMES))


class AlarmNow(NamedTuple):
    """What a reply says of its camera's alarm; see `service.alarm.Watch`. `since_s` is None until a first frame was counted."""

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


class Cameras:
    """The cameras.

    Args:
        most: How many have a label of their own; as many again share one.
        file: The rules in force.
        metrics: Told of every frame and every state.
        tell: Told of every change; must not block.
    """

    def __init__(
        self, most: int, file: CameraFile, metrics: CameraMetrics, tell: Callable[[Change], None] = lambda _: None
    ) -> None:
        self.file = file
        self._most = most
        self._metrics = metrics
        self._tell = tell
        self._cameras: dict[str, Camera] = {}
        self.changes = 0

    def __iter__(self) -> Iterator[Camera]:
        return iter(self._cameras.values())

    def get(self, camera_id: str) -> Camera | None:
        """One camera, if it is remembered."""
        return self._cameras.get(camera_id)

    def observe(self, camera_id: str, sight: Sight, reference: Mapping[str, Histogram]) -> AlarmNow | None:
        """Take a frame in; returns the camera's alarm, or None where there was no room to remember the camera."""
        camera = self._cameras.get(camera_id) or self._admit(camera_id, sight.arrived_s)
        if camera is None:
            return None
        rule = self.file.rules.of(camera_id)
        camera.boxes, sightings = sightings_of(sight.summary, sight.size_px, rule)
        verdict = camera.watch.observe(sight.captured_s, sight.arrived_s, sightings, rule.policy)
        if verdict.arrival is not Arrival.DUPLICATE:
            _take(camera, sight, reference)
            self._metrics.answered(camera.label, sight.summary, camera.standing, sight.arrived_s)
        self._metrics.stands(camera.label, self._states(camera), raised=verdict.raised)
        watch = camera.watch
        if verdict.raised or watch.state is not verdict.before:
            self._changed(camera, verdict.before)
        since_s = watch.since_s or None
        return AlarmNow(watch.state, since_s, watch.score, watch.frames, verdict.arrival, watch.restored)

    def judge(self, camera: Camera, verdict: str) -> None:
        """A person said whether an alarm was one."""
        self._metrics.judged(camera.label, verdict)

    def restore(self, camera_id: str, watch: Watch, now_s: float) -> None:
        """Take a camera in as it was before a restart."""
        camera = self._admit(camera_id, now_s)
        if camera is not None:
            camera.watch, camera.seen_s = watch, now_s
            self._metrics.stands(camera.label, self._states(camera))

    def forget_gone(self, now_s: float) -> None:
        """Forget the cameras that have sent nothing for a day; an alarm among them ends, and that is told."""
        for camera in [camera for camera in self if now_s - camera.seen_s > _GONE_S]:
            before = camera.watch.state
            if before is not State.CLEAR:
                camera.watch, camera.boxes = Watch(since_s=now_s), ()
                self._changed(camera, before)
            self._drop(camera)

    def _changed(self, camera: Camera, before: State) -> None:
        self.changes += 1
        watch = camera.watch
        change = Change(camera.id, before, watch.state, watch.since_s, watch.score, watch.frames, camera.boxes)
        _LOG.info("camera changed", extra={"camera": camera.id, "before": before, "after": watch.state})
        self._tell(change)

    def _states(self, camera: Camera) -> Iterator[State]:
        """The states behind the camera's label."""
        if camera.label != OTHER:
            return iter((camera.watch.state,))
        return (other.watch.state for other in self if other.label == OTHER)

    def _admit(self, camera_id: str, now_s: float) -> Camera | None:
        """Remember a new camera, under its own label if there is one left or one long silent."""
        named = sum(camera.label != OTHER for camera in self)
        label = camera_id if camera_id != OTHER and (named < self._most or self._forget(now_s)) else OTHER
        if label == OTHER and len(self._cameras) - named >= self._most and not self._forget_other():
            _LOG.warning("no room for another camera; its frames are answered but raise no alarm")
            return None
        camera = self._cameras[camera_id] = Camera(camera_id, label)
        return camera

    def _forget(self, now_s: float) -> bool:
        """Make room for a label: forget a named camera that is clear and has been silent for an hour."""
        silent = [c for c in self if c.label != OTHER and now_s - c.seen_s > _SILENT_S]
        return self._forget_one(silent)

    def _forget_other(self) -> bool:
        return self._forget_one([camera for camera in self if camera.label == OTHER])

    def _forget_one(self, candidates: list[Camera]) -> bool:
        quiet = [camera for camera in candidates if camera.watch.state not in _HELD]
        if not quiet:
            return False
        self._drop(min(quiet, key=lambda camera: camera.seen_s))
        return True

    def _drop(self, camera: Camera) -> None:
        del self._cameras[camera.id]
        if camera.label == OTHER:
            self._metrics.stands(OTHER, self._states(camera))
        else:
            self._metrics.forget(camera.label)
        _LOG.info("camera forgotten", extra={"camera": camera.id})


def sightings_of(summary: Summary, size_px: int, rule: Rule) -> tuple[tuple[Box, ...], list[Sighting]]:
    """The regions that count, as fractions of the frame: their boxes, and all that the alarm wants of them."""
    counted = []
    for place in summary.places:
        region, side = place.detection.region, size_px
        right, bottom = region.left + region.width, region.top + region.height
        box = (region.left / side, region.top / side, right / side, bottom / side)
        if not rule.ignores(box):
            counted.append(Sighting(box, place.detection.mean_probability, place.doubted))
        if len(counted) == SIGHTINGS_MAX:
            break
    return tuple(sighting.box for sighting in counted), counted


def _take(camera: Camera, sight: Sight, reference: Mapping[str, Histogram]) -> None:
    """What a frame says of its camera apart from the alarm."""
    look, places = sight.look, sight.summary.places
    camera.seen_s = sight.arrived_s
    camera.frames += 1
    camera.assessment = sight.summary.assessment
    camera.places = places[:SIGHTINGS_MAX] or camera.places
    camera.recent.append((len(places), sum(place.doubted for place in places)))
    found, doubted = (sum(counts) for counts in zip(*camera.recent, strict=True))
    values = {
        "brightness": look.brightness,
        "contrast": look.contrast,
        "epistemic": sight.summary.frame_doubt.epistemic,
    }
    frozen = {"frozen"} if camera.stillness.frozen(look) else set()
    camera.standing = Standing(
        flaws(look) | frozen, camera.drift.take(values, reference), doubted / found if found else 0.0
    )
