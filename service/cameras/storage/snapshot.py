"""The alarms on disk, so that none vanishes with a restart: a small JSON file, replaced as a whole.

Of each camera is kept its state, when its last frame came, and how its frames looked day by day, but no frame: after a restart an alarm
is `restored` until new frames confirm it or let it go.
"""

import logging
import math
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.cameras.alarm import ALARM_ID, Acknowledgement, AlarmState, CameraAlarm, new_alarm_id
from service.cameras.camera import Camera, KeptCamera
from service.cameras.evidence import RelativeBox
from service.cameras.pictures.health import PastCounts
from service.cameras.pictures.scenes import was_found
from service.cameras.registry import Cameras
from service.files import read_file, write_whole
from service.validation import CAMERA_ID, in_words

_LOG = logging.getLogger("service.cameras")
STATE_BYTES_MAX: Final = 2**28
"""Of 20,000 cameras, as many as can be remembered, of which each has 16 views and weeks behind it."""
_COOLDOWN_MAX_S: Final = 86_400.0
"""Longest that can be set."""
_Instant = Annotated[float, Field(ge=0, le=253_402_300_799)]
"""Seconds since 1970, up to the last year that can be written."""


class _Entry(BaseModel):
    """What is kept of a view of a camera; an instant that never was is null."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    state: AlarmState
    since_s: _Instant
    score: Annotated[float, Field(ge=0)]
    frames: Annotated[int, Field(ge=0)]
    newest_s: _Instant | None
    ended_s: _Instant | None
    places: list[RelativeBox]
    id: Annotated[str, Field(pattern=ALARM_ID)] | None = None
    acknowledged: Acknowledgement | None = None

    @classmethod
    def of(cls, alarm: CameraAlarm) -> Self:
        """From a view's alarm."""
        return cls(
            state=alarm.state,
            since_s=alarm.since_s,
            score=alarm.score,
            frames=alarm.frames,
            newest_s=_finite(alarm.newest_s),
            ended_s=_finite(alarm.ended_s),
            places=alarm.places,
            id=alarm.id,
            acknowledged=alarm.acknowledged,
        )

    def alarm(self) -> CameraAlarm:
        """The alarm as it was, which new frames have to confirm; one of an earlier version gets its id now."""
        kept = self.model_dump(include={"state", "since_s", "score", "frames", "places", "id"})
        kept["acknowledged"] = self.acknowledged
        if self.id is None and self.state is AlarmState.ALARM:
            kept["id"] = new_alarm_id(self.since_s)
        newest_s, ended_s = (-math.inf if at_s is None else at_s for at_s in (self.newest_s, self.ended_s))
        restored = self.state is not AlarmState.CLEAR or self.ended_s is not None
        return CameraAlarm(**kept, newest_s=newest_s, ended_s=ended_s, counted_s=newest_s, restored=restored)


class _CameraEntry(_Entry):
    """What is kept of a camera: of its frames that name no view, of its views, and of all of them."""

    views: dict[Annotated[str, Field(pattern=CAMERA_ID)], _Entry] = Field(default_factory=dict)
    last_frame_s: _Instant | None = None
    past: dict[str, PastCounts] = Field(default_factory=dict)

    def camera(self) -> KeptCamera:
        """The camera as it was."""
        views = {"": self.alarm()} | {name: entry.alarm() for name, entry in self.views.items()}
        return KeptCamera(views, self.newest_s if self.last_frame_s is None else self.last_frame_s, self.past)


class _Snapshot(BaseModel):
    """The file; what else stands in it is passed over."""

    model_config = ConfigDict(strict=True)

    version: Literal[1] = Field(alias="schema")
    cameras: dict[Annotated[str, Field(pattern=CAMERA_ID)], _CameraEntry]


def snapshot_of(
    cameras: Iterable[Camera], now_s: float, undelivered: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The snapshot: every camera that sent a frame or has an alarm, and the notifications that are undelivered."""
    entries = {camera.id: _kept(camera, now_s) for camera in cameras}
    kept = {name: entry for name, entry in entries.items() if entry}
    return {"schema": 1, "written_s": now_s, "cameras": kept} | ({"undelivered": undelivered} if undelivered else {})


def _kept(camera: Camera, now_s: float) -> dict[str, Any] | None:
    """What is kept of a camera; None where there is nothing worth it."""
    views = {
        name: _Entry.of(view.alarm).model_dump(mode="json")
        for name, view in camera.views.items()
        if view.alarm.state is not AlarmState.CLEAR or now_s - view.alarm.ended_s < _COOLDOWN_MAX_S
    }
    if not views and camera.last_frame_s is None:
        return None
    # Which picture showed which view is not kept: after a restart the views that were found are one, in its most urgent state.
    found = {name: views.pop(name) for name in list(views) if was_found(name)}
    unnamed = found.get(camera.most_urgent(found) if found else "") or _Entry.of(CameraAlarm()).model_dump(mode="json")
    past = {name: _described(counts) for name, counts in camera.drift.past.items()}
    return unnamed | {"views": views, "last_frame_s": camera.last_frame_s, "past": past}


def _described(counts: PastCounts) -> dict[str, Any]:
    """As it is now; only what goes on changing is copied, for hundreds of cameras are described between two frames."""
    return {
        "day": counts.day,
        "today": [*counts.today],
        "recent": [*counts.recent],
        "past": counts.past,
        "days": counts.days,
        "indices": counts.indices,
    }


def write_snapshot(snapshot: Mapping[str, Any], file: Path) -> None:
    """Replace the file: a reader sees the old one or the new one, whole. Raises OSError."""
    write_whole(orjson.dumps(snapshot, default=list), file, beside(file))


def beside(file: Path) -> Path:
    """What is written first, and then takes the file's place."""
    return file.with_name(f"{file.name}.new")


def read_snapshot(file: Path) -> dict[str, KeptCamera]:
    """The cameras of a snapshot; none where there is no file.

    A broken file is set aside as `<name>.broken-<seconds>`, the log says so, and the service starts without memory.
    """
    try:
        snapshot = _Snapshot.model_validate_json(read_file(file, STATE_BYTES_MAX))
        return {camera_id: entry.camera() for camera_id, entry in snapshot.cameras.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        found = _words(error)
        aside = file.with_name(f"{file.name}.broken-{int(time.time())}")
        _LOG.error(
            "state file is broken: alarms from before this start are lost",
            extra={"error": f"{file}: {found}", "kept": str(aside)},
        )
        _set_aside(file, aside)
        return {}


def restore(cameras: Cameras, file: Path | None) -> None:
    """Take in what was written before a restart; alarms first, should there not be room for all."""
    if file is None:
        return
    kept = read_snapshot(file)
    for camera_id, camera in sorted(kept.items(), key=lambda item: -_urgency(item[1])):
        cameras.restore(camera_id, camera, time.time())
    if kept:
        _LOG.info("cameras restored", extra={"cameras": len(kept), "file": str(file)})


def _urgency(kept: KeptCamera) -> int:
    return max(alarm.state.urgency for alarm in kept.views.values())


def _words(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False)[0]
    return f"{first['msg']}, expected a state file" if first["type"] == "json_invalid" else in_words(error, {})


def _set_aside(file: Path, aside: Path) -> None:
    try:
        file.replace(aside)
    except OSError as error:
        _LOG.error("state file cannot be set aside", extra={"error": str(error)})


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
