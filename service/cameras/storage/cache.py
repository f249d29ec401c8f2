"""The cameras that this process remembers, by id.

Ids come from outside, so their number is bounded: so many cameras have a label of their own in the metrics, as many again share
`other`. Room is made by evicting the one that is longest silent. One in whose frames there was smoke of late goes last, or ids made
up between its frames would keep it from an alarm; one that alarms or waits for review never does.
"""

import logging
from collections.abc import Callable, Iterator
from typing import Final

from service.cameras.alarm import AlarmState
from service.cameras.camera import Camera
from service.cameras.metrics import OTHER

_LOG = logging.getLogger("service.cameras")
_SILENT_S: Final = 3600.0
_STALE_S: Final = 900.0
"""A suspicion without a frame for so long is as good as none."""
_HELD: Final = (AlarmState.ALARM, AlarmState.REVIEW)


class CameraCache:
    """At most `most` cameras with a label of their own, and as many that share one.

    Args:
        most: How many have a label of their own.
        on_evict: Told of each camera that had to make room, after it has.
    """

    def __init__(self, most: int, on_evict: Callable[[Camera], None]) -> None:
        self._most = most
        self._on_evict = on_evict
        self._cameras: dict[str, Camera] = {}

    def __iter__(self) -> Iterator[Camera]:
        return iter(self._cameras.values())

    def get(self, camera_id: str) -> Camera | None:
        """One camera, if it is remembered."""
        return self._cameras.get(camera_id)

    @property
    def room(self) -> int:
        """How many more cameras fit in without an eviction."""
        return 2 * self._most - len(self._cameras)

    def add(self, camera_id: str, now_s: float, *, make_room: bool = True) -> Camera | None:
        """Remember a new camera, under its own label if one is left or, where room may be made, one long silent; None: no room."""
        named = sum(camera.label != OTHER for camera in self)
        own = named < self._most or (make_room and self._evict_named(now_s))
        label = camera_id if camera_id != OTHER and own else OTHER
        if label == OTHER and len(self._cameras) - named >= self._most and not (make_room and self._evict_other(now_s)):
            if make_room:
                _LOG.warning("no room for another camera; its frames are answered but raise no alarm")
            return None
        camera = self._cameras[camera_id] = Camera(camera_id, label)
        return camera

    def update(self, camera: Camera) -> None:
        """A camera as it is now, unless it is known by now how it was later, or it has been evicted."""
        known = self.get(camera.id)
        if known is not None and camera.version >= known.version:
            camera.label = known.label
            self._cameras[camera.id] = camera

    def remove(self, camera: Camera) -> None:
        """Remember a camera no longer."""
        del self._cameras[camera.id]

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
            self.remove(leaving)
            self._on_evict(leaving)
        return bool(movable)
