"""Every camera's state: what a frame does to its camera, and what is told of it. Belongs to the event loop.

How many cameras are remembered, and which makes room for another: see `CameraCache`. Whichever is silent for a day is evicted, for a
camera that was taken down must not alarm for ever. Every eviction is counted, and every frame without room.

Where several processes share a store, what is remembered here is what they know as of a second ago; what a frame does is decided there.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping

from models.drift import Histogram
from service.cameras.alarm import AlarmState, CameraAlarm
from service.cameras.alarm_status import AlarmStatus, AlarmTransition
from service.cameras.camera import Camera, CameraView, FrameEffect, KeptCamera
from service.cameras.clock import Arrival, Stamp
from service.cameras.metrics import OTHER, ROOM, SILENCE, CameraMetrics
from service.cameras.observation import FrameObservation
from service.cameras.rules import CameraFile
from service.cameras.storage.cache import CameraCache
from service.cameras.storage.store import CameraStore, ProcessStore, Told
from service.errors import StateUnknown
from service.pipeline.pipeline import Segmentation

_LOG = logging.getLogger("service.cameras")


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
        self._cache = CameraCache(most, self._made_room)
        self._metrics = metrics
        self._notify = notify
        self._store = store or ProcessStore()
        self._in_doubt: set[str] = set()
        self._left: set[str] = set()
        self._working: set[asyncio.Task[AlarmStatus]] = set()
        self.changes = 0

    def __iter__(self) -> Iterator[Camera]:
        return iter(self._cache)

    def get(self, camera_id: str) -> Camera | None:
        """One camera, if it is remembered."""
        return self._cache.get(camera_id)

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
        stats = segmentation.image_stats
        if camera_id is None or stats is None:
            return None
        frame = FrameObservation.of(segmentation, stats, stamp, view)
        return await self.observe(camera_id, frame, segmentation.reference)

    async def observe(
        self, camera_id: str, frame: FrameObservation, reference: Mapping[str, Histogram]
    ) -> AlarmStatus | None:
        """Take a frame in; returns the camera's alarm, or None where there was no room to remember the camera."""
        camera = self.get(camera_id) or self._cache.add(camera_id, frame.stamp.arrived_s)
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
            after, seen = await self._exchange(camera, lambda now: now.observe(frame, self.file.rules, reference))
        except StateUnknown:
            self._metrics.state_unknown(camera.label)
            return AlarmStatus.unknown()
        return self._tell(after, frame, seen)

    def _tell(self, camera: Camera, frame: FrameObservation, seen: FrameEffect) -> AlarmStatus:
        """Tell of what a frame did to its camera."""
        before, name, update, persistence = seen
        view, alarm, label = camera.views[name], camera.alarm, camera.label
        if update.arrival is not Arrival.DUPLICATE:
            self._metrics.arrived(label, update.arrival, frame.stamp)
            self._metrics.answered(label, frame.result, camera.health, frame.stamp.arrived_s)
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
        self._cache.update(after)
        return after, told

    async def refresh(self, now_s: float) -> None:
        """Take in what others that share the store have done to the cameras, as far as there is room: none makes room for theirs."""
        try:
            news = await self._store.news({camera.id: camera.version for camera in self}, self._cache.room)
            for camera in news:
                if self.get(camera.id) is None and camera.gone(now_s):
                    await self._store.forget(camera.id)
        except StateUnknown:
            return
        for camera in news:
            known = self.get(camera.id) or self._join(camera, now_s)
            if known is not None and camera.version > known.version:
                self._cache.update(camera)
                self._follow(camera, known)
        self._in_doubt.clear()

    def _join(self, camera: Camera, now_s: float) -> Camera | None:
        """Remember a camera of others, unless it is gone, or there is no room."""
        return None if camera.gone(now_s) else self._cache.add(camera.id, now_s, make_room=False)

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
        known = self.get(camera_id)
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
        camera = self.get(camera_id) or self._cache.add(camera_id, now_s)
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
                if self.get(camera_id) is None:
                    await self._store.forget(camera_id)
                self._left.discard(camera_id)
        except StateUnknown:
            return

    async def _evict_silent(self, camera: Camera, now_s: float) -> None:
        if camera.silent_views(now_s):
            camera, (before, alarm_id) = await self._exchange(camera, lambda now: now.forget_silent(now_s))
            if camera.alarm.state is not before:
                self._changed(camera, before, camera.leading, alarm_id)
                if not camera.gone(now_s):
                    self.on_update(camera)
        if camera.gone(now_s) and self.get(camera.id) is camera:
            await self._store.forget(camera.id)
            self._cache.remove(camera)
            self._forgotten(camera, SILENCE)

    @property
    def newest_s(self) -> float:
        """When the last frame of any camera came; 0 where none did."""
        return max((camera.last_frame_s or 0.0 for camera in self), default=0.0)

    def clock_set(self, seconds: float) -> None:
        """Move all times that are remembered: this machine's clock was set by so much, and nobody was silent for longer for that."""
        _LOG.warning("the clock of this machine was set", extra={"seconds": round(seconds, 1)})
        for camera in self:
            camera.clock_set(seconds)

    def _changed(self, camera: Camera, before: AlarmState, name: str, alarm_id: str | None) -> None:
        """Tell of a change by a view's alarm; the id is of the alarm that changed, should one begin or end."""
        self.changes += 1
        change = AlarmTransition.of(camera, before, name, alarm_id)
        told = {"camera": camera.id, "before": before, "after": change.after, "view": change.view}
        _LOG.info("camera changed", extra=told | _by(camera.views[name].alarm))
        self._notify(change)

    def _states(self, camera: Camera) -> Iterator[AlarmState]:
        """The states behind the camera's label."""
        if camera.label != OTHER:
            return iter((camera.alarm.state,))
        return (other.alarm.state for other in self if other.label == OTHER)

    def _made_room(self, camera: Camera) -> None:
        """A camera was evicted for another. Ids that somebody makes up must not fill the store."""
        self._forgotten(camera, ROOM)
        if camera.alarm.state is AlarmState.CLEAR:
            self._left.add(camera.id)

    def _forgotten(self, camera: Camera, reason: str) -> None:
        """Tell of a camera that is no longer remembered."""
        self._metrics.evicted(reason)
        if camera.label == OTHER:
            self._metrics.stands(OTHER, self._states(camera))
        else:
            self._metrics.forget(camera.label)
        self.on_forget(camera)
        _LOG.info("camera forgotten", extra={"camera": camera.id, "reason": reason})


def _by(alarm: CameraAlarm) -> dict[str, str | None]:
    """Who acknowledged it, for the log."""
    return {"acknowledged_by": alarm.acknowledged.by} if alarm.acknowledged else {}
