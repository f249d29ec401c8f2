"""Every camera's state: which cameras are remembered, what a frame does to its own, and what is told of it. Belongs to the event loop.

Ids come from outside, so their number is bounded: so many cameras have a label of their own in the metrics, as many again share
`other`. Room is made by evicting the one that is longest silent. One in whose frames there was smoke of late goes last, or ids made
up between its frames would keep it from an alarm; one that alarms or waits for review never does. But whichever is silent for a day
is evicted, for a camera that was taken down must not alarm for ever. Every eviction is counted, and every frame without room.

Where several processes share a store, what is remembered here is what they know as of a second ago; what a frame does is decided there.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final, NamedTuple

from models.drift import Histogram
from service.cameras.alarm import AlarmState, AlarmUpdate, CameraAlarm
from service.cameras.camera import (
    AlarmStatus,
    AlarmTransition,
    Camera,
    CameraView,
    KeptCamera,
    persistence_of,
)
from service.cameras.clock import Arrival, Stamp
from service.cameras.metrics import OTHER, ROOM, SILENCE, CameraMetrics
from service.cameras.observation import FrameObservation, region_observations
from service.cameras.rules import CameraFile
from service.cameras.storage.store import CameraStore, ProcessStore, Told
from service.errors import StateUnknown
from service.pipeline.pipeline import Segmentation

_LOG = logging.getLogger("service.cameras")
_SILENT_S: Final = 3600.0
_GONE_S: Final = 86_400.0
_STALE_S: Final = 900.0
"""A suspicion without a frame for so long is as good as none."""
_HELD: Final = (AlarmState.ALARM, AlarmState.REVIEW)


class _Seen(NamedTuple):
    """What a frame did to its camera: the state before it, the view that it shows, and what became of that view's alarm."""

    before: AlarmState
    view: str
    update: AlarmUpdate
    persistence: tuple[float, ...]


class Cameras:
    """The cameras that are remembered, by id.

    Args:
        most: How many have a label of their own; as many again share one.
        file: The rules in force.
        metrics: Told of every frame and every state.
        notify: Told of every change; must not block.
        store: Where their states live.

    Attributes:
        on_update: Told of each camera after each of its frames, and where its alarm is taken on or ends without one; must not block.
        on_forget: Told of each camera that is no longer remembered.
    """

    on_update: Callable[[Camera], None] = staticmethod(lambda _: None)
    on_forget: Callable[[Camera], None] = staticmethod(lambda _: None)

    def __init__(
        self,
        most: int,
        file: CameraFile,
        metrics: CameraMetrics,
        notify: Callable[[AlarmTransition], None] = lambda _: None,
        store: CameraStore | None = None,
    ) -> None:
        self.file = file
        self._most = most
        self._metrics = metrics
        self._notify = notify
        self._store = store or ProcessStore()
        self._cameras: dict[str, Camera] = {}
        self._in_doubt: set[str] = set()
        self._left: set[str] = set()
        self._working: set[asyncio.Task[AlarmStatus]] = set()
        self.changes = 0

    def __iter__(self) -> Iterator[Camera]:
        return iter(self._cameras.values())

    def get(self, camera_id: str) -> Camera | None:
        """One camera, if it is remembered."""
        return self._cameras.get(camera_id)

    async def take(
        self, camera_id: str | None, view: str, stamp: Stamp, segmentation: Segmentation
    ) -> AlarmStatus | None:
        """Take in what was found on a frame, held against the release of the model that found it; one of no camera changes nothing.

        Args:
            camera_id: Whose frame it is, if anybody's.
            view: What the camera was turned to; "" where it does not say so.
            stamp: When the frame was taken and came.
            segmentation: What was found on it.
        """
        if camera_id is None or segmentation.image_stats is None:
            return None
        frame = FrameObservation(
            stamp.captured_s,
            stamp.arrived_s,
            segmentation.result,
            segmentation.map_px,
            segmentation.image_stats,
            tiled=segmentation.tiles is not None,
            model=segmentation.identity,
            body=stamp.body,
            view=view,
            threshold=segmentation.threshold.value,
            damaged=segmentation.damaged,
        )
        return await self.observe(camera_id, frame, segmentation.reference)

    async def observe(
        self, camera_id: str, frame: FrameObservation, reference: Mapping[str, Histogram]
    ) -> AlarmStatus | None:
        """Take a frame in; returns the camera's alarm, or None where there was no room to remember the camera."""
        camera = self._cameras.get(camera_id) or self._add(camera_id, frame.arrived_s)
        if camera is None:
            self._metrics.unwatched()
            return None
        # A frame that is being taken in is told of, also if its caller leaves meanwhile.
        task = asyncio.ensure_future(self._take_in(camera, frame, reference))
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        return await asyncio.shield(task)

    async def _take_in(
        self, camera: Camera, frame: FrameObservation, reference: Mapping[str, Histogram]
    ) -> AlarmStatus:
        try:
            after, seen = await self._exchange(camera, lambda now: self._see(now, frame, reference))
        except StateUnknown:
            self._metrics.state_unknown(camera.label)
            return AlarmStatus.unknown()
        return self._tell(after, frame, seen)

    def _see(self, camera: Camera, frame: FrameObservation, reference: Mapping[str, Histogram]) -> _Seen:
        """What a frame does to its camera. Writes to the camera alone: see `CameraStore.exchange`."""
        before, name = camera.alarm.state, camera.turn(frame)
        rule, view = self.file.rules.of(camera.id, frame.view), camera.views[name]
        regions = region_observations(frame.result, frame.size_px, rule, damaged=frame.damaged)
        view.boxes, view.boxes_px = tuple(seen.box for seen in regions), tuple(seen.box_px for seen in regions)
        view.area_fraction = sum(seen.area_fraction for seen in regions)
        policy = camera.paced(rule.policy, frame.view)
        update = view.alarm.observe(frame.captured_s, frame.arrived_s, regions, policy, frame.body)
        persistence = persistence_of(frame, view, update, policy)
        if update.arrival is not Arrival.DUPLICATE:
            camera.take(frame, view, update, reference, persistence)
        return _Seen(before, name, update, persistence)

    def _tell(self, camera: Camera, frame: FrameObservation, seen: _Seen) -> AlarmStatus:
        """Tell of what a frame did to its camera."""
        before, name, update, persistence = seen
        view, alarm, label = camera.views[name], camera.alarm, camera.label
        if update.arrival is not Arrival.DUPLICATE:
            self._metrics.arrived(label, update.arrival, frame.stamp)
            self._metrics.answered(label, frame.result, camera.health, frame.arrived_s)
            self._metrics.turned(label, found=camera.view_changed and not frame.view)
        self._metrics.stands(label, self._states(camera), raised=update.raised)
        news = update.raised and view.alarm.acknowledged is None
        if news or alarm.state is not before:
            self._changed(camera, before, name if update.raised else camera.leading, view.alarm.id)
        elif update.raised or view.alarm.state is not update.before:
            self.changes += 1
        if update.arrival is not Arrival.DUPLICATE:
            self.on_update(camera)
        told = AlarmStatus.of(alarm, update.arrival, persistence)
        return told._replace(view=name, view_changed=camera.view_changed)

    async def _exchange(self, camera: Camera, change: Callable[[Camera], Told]) -> tuple[Camera, Told]:
        """Change a camera, and remember how it is now. Raises StateUnknown, and whether it was changed is in doubt then."""
        try:
            after, told = await self._store.exchange(camera, change)
        except StateUnknown:
            self._in_doubt.add(camera.id)
            raise
        after.label = camera.label
        self._remember(after)
        return after, told

    def _remember(self, camera: Camera) -> None:
        """A camera as the store has it, unless it is known by now how it was later, or it has been evicted."""
        known = self._cameras.get(camera.id)
        if known is not None and camera.version >= known.version:
            camera.label = known.label
            self._cameras[camera.id] = camera

    async def refresh(self, now_s: float) -> None:
        """Take in what others that share the store have done to the cameras, as far as there is room: none makes room for theirs."""
        try:
            room = 2 * self._most - len(self._cameras)
            news = await self._store.news({camera.id: camera.version for camera in self}, room)
            for camera in news:
                if self.get(camera.id) is None and _gone(camera, now_s):
                    await self._store.forget(camera.id)
        except StateUnknown:
            return
        for camera in news:
            known = self.get(camera.id) or self._join(camera, now_s)
            if known is not None and camera.version > known.version:
                self._remember(camera)
                self._follow(camera, known)
        self._in_doubt.clear()

    def _join(self, camera: Camera, now_s: float) -> Camera | None:
        """Remember a camera of others, unless it is gone, or there is no room."""
        return None if _gone(camera, now_s) else self._add(camera.id, now_s, make_room=False)

    def _follow(self, camera: Camera, known: Camera) -> None:
        """Tell of a camera that was changed elsewhere, which tells of its alarm; unless that was here, and only the answer was lost."""
        self._metrics.stands(camera.label, self._states(camera))
        if camera.last_frame_s is not None:
            self._metrics.seen(camera.label, camera.last_frame_s)
        if camera.alarm.state is not known.alarm.state:
            self.changes += 1
            if camera.id in self._in_doubt:
                self._changed(camera, known.alarm.state, camera.leading, camera.alarm.id or known.alarm.id)
        self.on_update(camera)

    def refused(self, camera_id: str, reason: str) -> None:
        """Count a frame that got no answer; a camera that sends nothing but such frames is not remembered for it."""
        known = self._cameras.get(camera_id)
        self._metrics.refused(known.label if known else OTHER, reason)

    def judge(self, camera: Camera, verdict: str) -> None:
        """Count what a person said of a camera's alarm."""
        self._metrics.judged(camera.label, verdict)

    async def acknowledge(self, camera: Camera, by: str, now_s: float) -> Camera:
        """Somebody has taken on a camera's alarms: that is told, and until they end no more of them; the first to do so stays.

        Raises:
            StateUnknown: The store does not answer.
        """
        after, views = await self._exchange(camera, lambda now: now.acknowledge(by, now_s))
        for name in views:
            self._changed(after, AlarmState.ALARM, name, after.views[name].alarm.id)
        if views:
            self.on_update(after)
        return after

    def restore(self, camera_id: str, kept: KeptCamera, now_s: float) -> None:
        """Take a camera in as it was before a restart, which starts its day without a frame anew."""
        camera = self.get(camera_id) or self._add(camera_id, now_s)
        if camera is None:
            return
        camera.views |= {name: CameraView(alarm, now_s) for name, alarm in kept.views.items()}
        camera.seen_s, camera.last_frame_s = now_s, kept.last_frame_s
        camera.drift.restore(kept.past)
        self._metrics.stands(camera.label, self._states(camera))
        if kept.last_frame_s is not None:
            self._metrics.seen(camera.label, kept.last_frame_s)

    async def evict_expired(self, now_s: float) -> None:
        """Forget the cameras, and the views, that have sent nothing for a day; an alarm among them ends, and that is told."""
        try:
            for camera in list(self):
                await self._evict_silent(camera, now_s)
            for camera_id in list(self._left):
                if camera_id not in self._cameras:
                    await self._store.forget(camera_id)
                self._left.discard(camera_id)
        except StateUnknown:
            return

    async def _evict_silent(self, camera: Camera, now_s: float) -> None:
        if camera.silent_views(_silent_since(camera, now_s)):
            camera, (before, alarm_id) = await self._exchange(camera, partial(_forget_views, now_s=now_s))
            if camera.alarm.state is not before:
                self._changed(camera, before, camera.leading, alarm_id)
                if not _gone(camera, now_s):
                    self.on_update(camera)
        if _gone(camera, now_s) and self.get(camera.id) is camera:
            await self._store.forget(camera.id)
            self._remove(camera, SILENCE)

    @property
    def newest_s(self) -> float:
        """When the last frame of any camera came; 0 where none did."""
        return max((camera.last_frame_s or 0.0 for camera in self), default=0.0)

    def clock_set(self, seconds: float) -> None:
        """Move all times that are remembered: this machine's clock was set by so much, and nobody was silent for longer for that."""
        _LOG.warning("the clock of this machine was set", extra={"seconds": round(seconds, 1)})
        for camera in self:
            camera.seen_s += seconds
            if camera.last_frame_s is not None:
                camera.last_frame_s += seconds
            for view in camera.views.values():
                view.seen_s += seconds
                view.alarm.counted_s += seconds

    def _changed(self, camera: Camera, before: AlarmState, name: str, alarm_id: str | None) -> None:
        """Tell of a change by a view's alarm; the id is of the alarm that changed, should one begin or end."""
        self.changes += 1
        view = camera.views[name]
        alarm, named = view.alarm, name or None
        alarmed = AlarmState.ALARM in (before, alarm.state)
        told = (
            alarm.since_s,
            alarm.score,
            alarm.frames,
            view.boxes,
            view.boxes_px,
            named,
            alarm_id if alarmed else None,
            alarm.acknowledged,
        )
        change = AlarmTransition(camera.id, before, alarm.state, *told)
        _LOG.info(
            "camera changed",
            extra={"camera": camera.id, "before": before, "after": alarm.state, "view": named} | _by(alarm),
        )
        self._notify(change)

    def _states(self, camera: Camera) -> Iterator[AlarmState]:
        """The states behind the camera's label."""
        if camera.label != OTHER:
            return iter((camera.alarm.state,))
        return (other.alarm.state for other in self if other.label == OTHER)

    def _add(self, camera_id: str, now_s: float, *, make_room: bool = True) -> Camera | None:
        """Remember a new camera, under its own label if there is one left or, where room may be made, one long silent."""
        named = sum(camera.label != OTHER for camera in self)
        own = named < self._most or (make_room and self._evict_named(now_s))
        label = camera_id if camera_id != OTHER and own else OTHER
        if label == OTHER and len(self._cameras) - named >= self._most and not (make_room and self._evict_other(now_s)):
            if make_room:
                _LOG.warning("no room for another camera; its frames are answered but raise no alarm")
            return None
        camera = self._cameras[camera_id] = Camera(camera_id, label)
        return camera

    def _evict_named(self, now_s: float) -> bool:
        """Make room for a label: evict a named camera that is clear and has been silent for an hour."""
        silent = [c for c in self if c.label != OTHER and now_s - c.seen_s > _SILENT_S]
        return self._evict_one(silent, now_s)

    def _evict_other(self, now_s: float) -> bool:
        return self._evict_one([camera for camera in self if camera.label == OTHER], now_s)

    def _evict_one(self, candidates: list[Camera], now_s: float) -> bool:
        """The longest silent of those without fresh smoke; else, of those with the least evidence, the one that came last."""

        def order(camera: Camera) -> tuple[float, float]:
            suspected = camera.alarm.state is AlarmState.SUSPECTED and now_s - camera.seen_s <= _STALE_S
            return (camera.alarm.score, -camera.seen_s) if suspected else (-1.0, camera.seen_s)

        movable = [camera for camera in candidates if camera.alarm.state not in _HELD]
        if movable:
            leaving = min(movable, key=order)
            self._remove(leaving, ROOM)
            if leaving.alarm.state is AlarmState.CLEAR:
                # Ids that somebody makes up must not fill the store.
                self._left.add(leaving.id)
        return bool(movable)

    def _remove(self, camera: Camera, reason: str) -> None:
        del self._cameras[camera.id]
        self._metrics.evicted(reason)
        if camera.label == OTHER:
            self._metrics.stands(OTHER, self._states(camera))
        else:
            self._metrics.forget(camera.label)
        self.on_forget(camera)
        _LOG.info("camera forgotten", extra={"camera": camera.id, "reason": reason})


def _gone(camera: Camera, now_s: float) -> bool:
    """Whether it has sent nothing for a day."""
    return now_s - camera.seen_s > _GONE_S


def _silent_since(camera: Camera, now_s: float) -> float:
    """Views whose last frame came before that are forgotten: all of them, where the camera is gone."""
    return now_s if _gone(camera, now_s) else now_s - _GONE_S


def _forget_views(camera: Camera, now_s: float) -> tuple[AlarmState, str | None]:
    """Forget what is silent; returns the alarm's state before, and its id."""
    before = camera.alarm.state, camera.alarm.id
    camera.forget_views(_silent_since(camera, now_s), now_s)
    return before


def _by(alarm: CameraAlarm) -> dict[str, str | None]:
    """Who acknowledged it, for the log."""
    return {"acknowledged_by": alarm.acknowledged.by} if alarm.acknowledged else {}
