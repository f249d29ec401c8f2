"""Every alarm that is remembered: followed from frame to frame, held against the cameras, bounded in number, bytes and days.

In memory alone. What is to be written or removed is left in `changed` and `gone`, for whoever keeps files (`service.alarms.archive`).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from service.alarms.record import AlarmRecord
from service.cameras.alarm import AlarmState, CameraAlarm, alarm_id_since
from service.cameras.camera import Camera

_DAY_S: Final = 86_400.0
Place = tuple[str, str]
"""A camera and its view: each has one alarm at a time."""


@dataclass(frozen=True, slots=True)
class AlarmLimits:
    """How much is remembered: alarms, bytes of their frames, days since they ended."""

    alarms: int = 1000
    size_bytes: int = 2**31
    days: float = 30.0


class AlarmIndex:
    """The alarms that are remembered, by id.

    Args:
        limits: How much is remembered; those that ended first go, those that last stay.
        records: Those from before a restart.

    Attributes:
        changed: Ids of alarms of which something is new.
        gone: Ids of those that were let go.
        full: Whether the frames of alarms that last are as many bytes as may be.
    """

    def __init__(self, limits: AlarmLimits, records: Iterable[AlarmRecord] = ()) -> None:
        self._limits = limits
        self._records = {record.id: record for record in records}
        self._active = {record.place: record.id for record in self._records.values() if record.cleared_s is None}
        self.changed: set[str] = set()
        self.gone: set[str] = set()
        self.full = False

    def __iter__(self) -> Iterator[AlarmRecord]:
        return iter(self._records.values())

    def get(self, alarm_id: str) -> AlarmRecord | None:
        """One alarm, if it is remembered."""
        return self._records.get(alarm_id)

    def put(self, record: AlarmRecord) -> None:
        """Remember an alarm as it is now."""
        self._records[record.id] = record
        self.changed.add(record.id)
        self.gone.discard(record.id)

    def newest(self, limit: int, before: str | None = None, camera_id: str | None = None) -> list[AlarmRecord]:
        """So many alarms from the newest on: of one camera, if it is named, and older than an id, if one is."""

        def wanted() -> Iterator[AlarmRecord]:
            for alarm_id in sorted(self._records, reverse=True):
                record = self._records[alarm_id]
                if (before is None or alarm_id < before) and camera_id in (None, record.camera_id):
                    yield record

        return list(islice(wanted(), limit))

    def of_frame(self, camera_id: str, request_id: str) -> AlarmRecord | None:
        """The alarm of a camera of which the frame of a request is kept."""

        def is_kept(record: AlarmRecord) -> bool:
            return any(kept.request_id == request_id for kept in record.frames.values())

        return next((record for record in self.newest(len(self._records), None, camera_id) if is_kept(record)), None)

    def follow(self, place: Place, alarm: CameraAlarm) -> AlarmRecord | None:
        """The record of the alarm that a view is in, if it is in one, begun with it; that of one before it is closed."""
        alarm_id = alarm.id if alarm.state is AlarmState.ALARM else None
        if place in self._active and self._active[place] != alarm_id:
            self._end(place, alarm.since_s)
        if alarm_id is None:
            return None
        self._active[place] = alarm_id
        (camera_id, view), known = place, self._records.get(alarm_id)
        if known is None:
            self.put(
                AlarmRecord(id=alarm_id, camera_id=camera_id, view=view, started_s=alarm.since_s, score=alarm.score)
            )
        elif known.place != place or known.cleared_s is not None:  # Restored, and of a view that had another name then.
            self.put(known.model_copy(update={"view": view, "cleared_s": None}))
        if alarm.acknowledged != self._records[alarm_id].acknowledged:
            self.put(self._records[alarm_id].model_copy(update={"acknowledged": alarm.acknowledged}))
        return self._records[alarm_id]

    def see(self, record: AlarmRecord, camera: Camera) -> AlarmRecord:
        """What a frame of its camera adds to an alarm. Not `changed`: it is written with the next frame that is kept."""
        view = camera.views[record.view]
        seen = {
            "score": max(record.score, view.alarm.score),
            "area_fraction": max(record.area_fraction, view.area_fraction),
            "silent_above": view.alarm.silent_above,
            "threshold": camera.threshold,
            "model": camera.model,
        }
        self._records[record.id] = record.model_copy(update=seen)
        return self._records[record.id]

    def reconcile(self, cameras: Iterable[Camera], now_s: float) -> None:
        """Close the alarms that did not end with a frame, begin those that are older than this process, keep the limits."""
        lasting = {
            (camera.id, name): view.alarm
            for camera in cameras
            for name, view in camera.views.items()
            if view.alarm.state is AlarmState.ALARM
        }
        for place in self._active.keys() - lasting.keys():
            self._end(place, now_s)
        for place, alarm in lasting.items():
            self.follow(place, alarm)
        self.bound(now_s)

    def bound(self, now_s: float) -> None:
        """Let go of those that ended first, until every limit is kept or none is left of them."""
        ended = sorted((_ended(record, now_s), record.id) for record in self if record.cleared_s is not None)
        held, since = sum(record.size_bytes for record in self), alarm_id_since(now_s - _DAY_S * self._limits.days)
        for at, alarm_id in ended:
            if at < since or len(self._records) > self._limits.alarms or held > self._limits.size_bytes:
                held -= self._records[alarm_id].size_bytes
                self._let_go(alarm_id)
        self.full = held >= self._limits.size_bytes

    def _end(self, place: Place, at_s: float) -> None:
        record = self._records.get(self._active.pop(place))
        if record is not None:
            self.put(record.model_copy(update={"cleared_s": max(at_s, record.started_s)}))

    def _let_go(self, alarm_id: str) -> None:
        del self._records[alarm_id]
        self.changed.discard(alarm_id)
        self.gone.add(alarm_id)


def _ended(record: AlarmRecord, now_s: float) -> str:
    """When an alarm ended, as ids begin: by its camera's clock, unless that cannot be: before it was raised, or in the future."""
    ended_s = record.cleared_s or 0.0
    return max(record.id, alarm_id_since(ended_s)) if ended_s <= now_s else record.id
