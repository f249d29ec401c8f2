"""Every camera's state: which cameras are remembered, what a frame does to its own, and what is told of it. Belongs to the event loop.

Ids come from outside, so their number is bounded: so many cameras have a label of their own in the metrics, as many again share
`other`. Room is made by evicting the one that is longest silent, and never one that alarms or waits for review; but whichever is
silent for a day is evicted, for a camera that was taken down must not alarm for ever.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from models.drift import Histogram
from service.cameras.alarm import AlarmState, Arrival, CameraAlarm
from service.cameras.camera import AlarmStatus, AlarmTransition, Camera, FrameObservation, region_observations
from service.cameras.metrics import OTHER, CameraMetrics
from service.cameras.rules import CameraFile
from service.pipeline.pipeline import Segmentation

_LOG = logging.getLogger("service.cameras")
_SILENT_S: Final = 3600.0
_GONE_S: Final = 86_400.0
_HELD: Final = (AlarmState.ALARM, AlarmState.REVIEW)


class Cameras:
    """The cameras.

    Args:
        most: How many have a label of their own; as many again share one.
        file: The rules in force.
        metrics: Told of every frame and every state.
        notify: Told of every change; must not block.
    """

    def __init__(
        self,
        most: int,
        file: CameraFile,
        metrics: CameraMetrics,
        notify: Callable[[AlarmTransition], None] = lambda _: None,
    ) -> None:
        self.file = file
        self._most = most
        self._metrics = metrics
        self._notify = notify
        self._cameras: dict[str, Camera] = {}
        self.changes = 0

    def __iter__(self) -> Iterator[Camera]:
        return iter(self._cameras.values())

    def get(self, camera_id: str) -> Camera | None:
        """One camera, if it is remembered."""
        return self._cameras.get(camera_id)

    def take(
        self, camera_id: str | None, captured_s: float | None, arrived_s: float, segmentation: Segmentation
    ) -> AlarmStatus | None:
        """Take in what was found on a frame, held against the release of the model that found it; one of no camera changes nothing."""
        if camera_id is None or segmentation.image_stats is None:
            return None
        frame = FrameObservation(
            captured_s,
            arrived_s,
            segmentation.result,
            segmentation.map_px,
            segmentation.image_stats,
            tiled=segmentation.tiles is not None,
            model=segmentation.identity,
            damaged=segmentation.damaged,
        )
        return self.observe(camera_id, frame, segmentation.reference)

    def observe(
        self, camera_id: str, frame: FrameObservation, reference: Mapping[str, Histogram]
    ) -> AlarmStatus | None:
        """Take a frame in; returns the camera's alarm, or None where there was no room to remember the camera."""
        camera = self._cameras.get(camera_id) or self._add(camera_id, frame.arrived_s)
        if camera is None:
            return None
        rule = self.file.rules.of(camera_id)
        regions = region_observations(frame.result, frame.size_px, rule, damaged=frame.damaged)
        camera.boxes = tuple(region.box for region in regions)
        camera.boxes_px = tuple(region.box_px for region in regions)
        update = camera.alarm.observe(frame.captured_s, frame.arrived_s, regions, rule.policy)
        if update.arrival is not Arrival.DUPLICATE:
            camera.take(frame, _comparable(reference, frame))
            self._metrics.answered(camera.label, frame.result, camera.health, frame.arrived_s)
        self._metrics.stands(camera.label, self._states(camera), raised=update.raised)
        alarm = camera.alarm
        if update.raised or alarm.state is not update.before:
            self._changed(camera, update.before)
        since_s = alarm.since_s or None
        return AlarmStatus(alarm.state, since_s, alarm.score, alarm.frames, update.arrival, alarm.restored)

    def judge(self, camera: Camera, verdict: str) -> None:
        """A person said whether an alarm was one."""
        self._metrics.judged(camera.label, verdict)

    def restore(self, camera_id: str, alarm: CameraAlarm, now_s: float) -> None:
        """Take a camera in as it was before a restart."""
        camera = self._add(camera_id, now_s)
        if camera is not None:
            camera.alarm, camera.seen_s = alarm, now_s
            self._metrics.stands(camera.label, self._states(camera))

    def evict_expired(self, now_s: float) -> None:
        """Evict the cameras that have sent nothing for a day; an alarm among them ends, and that is told."""
        for camera in [camera for camera in self if now_s - camera.seen_s > _GONE_S]:
            before = camera.alarm.state
            if before is not AlarmState.CLEAR:
                camera.alarm, camera.boxes, camera.boxes_px = CameraAlarm(since_s=now_s), (), ()
                self._changed(camera, before)
            self._remove(camera)

    def _changed(self, camera: Camera, before: AlarmState) -> None:
        self.changes += 1
        alarm = camera.alarm
        told = (alarm.since_s, alarm.score, alarm.frames, camera.boxes, camera.boxes_px)
        change = AlarmTransition(camera.id, before, alarm.state, *told)
        _LOG.info("camera changed", extra={"camera": camera.id, "before": before, "after": alarm.state})
        self._notify(change)

    def _states(self, camera: Camera) -> Iterator[AlarmState]:
        """The states behind the camera's label."""
        if camera.label != OTHER:
            return iter((camera.alarm.state,))
        return (other.alarm.state for other in self if other.label == OTHER)

    def _add(self, camera_id: str, now_s: float) -> Camera | None:
        """Remember a new camera, under its own label if there is one left or one long silent."""
        named = sum(camera.label != OTHER for camera in self)
        label = camera_id if camera_id != OTHER and (named < self._most or self._evict_named(now_s)) else OTHER
        if label == OTHER and len(self._cameras) - named >= self._most and not self._evict_other():
            _LOG.warning("no room for another camera; its frames are answered but raise no alarm")
            return None
        camera = self._cameras[camera_id] = Camera(camera_id, label)
        return camera

    def _evict_named(self, now_s: float) -> bool:
        """Make room for a label: evict a named camera that is clear and has been silent for an hour."""
        silent = [c for c in self if c.label != OTHER and now_s - c.seen_s > _SILENT_S]
        return self._evict_one(silent)

    def _evict_other(self) -> bool:
        return self._evict_one([camera for camera in self if camera.label == OTHER])

    def _evict_one(self, candidates: list[Camera]) -> bool:
        quiet = [camera for camera in candidates if camera.alarm.state not in _HELD]
        if not quiet:
            return False
        self._remove(min(quiet, key=lambda camera: camera.seen_s))
        return True

    def _remove(self, camera: Camera) -> None:
        del self._cameras[camera.id]
        if camera.label == OTHER:
            self._metrics.stands(OTHER, self._states(camera))
        else:
            self._metrics.forget(camera.label)
        _LOG.info("camera forgotten", extra={"camera": camera.id})


def _comparable(reference: Mapping[str, Histogram], frame: FrameObservation) -> Mapping[str, Histogram]:
    """The release's epistemic uncertainty was counted without tiles: a frame that was looked at in tiles is not held against it."""
    return {name: counted for name, counted in reference.items() if name != "epistemic"} if frame.tiled else reference
