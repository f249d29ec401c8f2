"""The alarms on disk, so that none vanishes with a restart: a small JSON file, replaced as a whole.

Of each camera its state is kept, not its frames: after a restart an alarm is `restored` until new frames confirm it or let it go.
`housekeeping` is what is done for the cameras beside the frames, once a second: those that are gone, the file of rules, the snapshot.
"""

import asyncio
import json
import logging
import math
import os
import re
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from service.cameras.alarm import AlarmState, CameraAlarm
from service.cameras.camera import CAMERA_ID, Camera
from service.cameras.evidence import Box
from service.cameras.registry import Cameras

_LOG = logging.getLogger("service.cameras")
_SCHEMA: Final = 1
_COOLDOWN_MAX_S: Final = 86_400.0
"""Longest that can be set."""
_ID: Final = re.compile(CAMERA_ID)
_PERIOD_S: Final = 1.0


def describe(cameras: Iterable[Camera], now_s: float, undelivered: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The snapshot: every camera that is not clear, or that may still cool down, and the notifications that are undelivered."""
    kept = [c for c in cameras if c.alarm.state is not AlarmState.CLEAR or now_s - c.alarm.ended_s < _COOLDOWN_MAX_S]
    snapshot = {"schema": _SCHEMA, "written_s": now_s, "cameras": {camera.id: _entry(camera.alarm) for camera in kept}}
    return snapshot | ({"undelivered": undelivered} if undelivered else {})


def write(snapshot: Mapping[str, Any], file: Path) -> None:
    """Replace the file: a reader sees the old one or the new one, whole. Raises OSError."""
    beside = file.with_name(f"{file.name}.new")
    with beside.open("w", encoding="utf-8") as stream:
        json.dump(snapshot, stream)
        stream.flush()
        os.fsync(stream.fileno())
    beside.replace(file)


def read(file: Path) -> dict[str, CameraAlarm]:
    """The cameras of a snapshot, by id; none where there is no file.

    A broken file is set aside as `<name>.broken-<seconds>`, the log says so, and the service starts without memory.
    """
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
        if raw["schema"] != _SCHEMA:
            raise ValueError(f"found schema {raw['schema']!r}, expected {_SCHEMA}")
        return {_known_id(camera_id): _alarm(entry) for camera_id, entry in raw["cameras"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        aside = file.with_name(f"{file.name}.broken-{int(time.time())}")
        _LOG.error(
            "state file is broken: alarms from before this start are lost",
            extra={"error": repr(error), "kept": str(aside)},
        )
        _set_aside(file, aside)
        return {}


def restore(cameras: Cameras, file: Path | None) -> None:
    """Take in what was written before a restart; alarms first, should there not be room for all."""
    if file is None:
        return
    alarms = read(file)
    for camera_id, alarm in sorted(alarms.items(), key=lambda item: item[1].state != "alarm"):
        cameras.restore(camera_id, alarm, time.time())
    if alarms:
        _LOG.info("cameras restored", extra={"cameras": len(alarms), "file": str(file)})


@asynccontextmanager
async def housekeeping(
    cameras: Cameras,
    file: Path | None,
    period_s: float = _PERIOD_S,
    *,
    undelivered: Callable[[], Mapping[str, Any]] = dict,
    report: Callable[[bool], None] = lambda _: None,
) -> AsyncIterator[None]:
    """Keep rules and snapshot fresh while the context lasts; the last state is written on leaving it.

    Args:
        cameras: Whose state it is.
        file: Where it is written; None for nowhere.
        period_s: How often it is looked after.
        undelivered: The notifications to be written with it.
        report: Told of each attempt to write whether it went well.
    """
    state = _State(cameras, file, undelivered, report)
    task = asyncio.create_task(_keep(cameras, state, period_s))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await state.save()


async def _keep(cameras: Cameras, state: "_State", period_s: float) -> None:
    while True:
        await asyncio.sleep(period_s)
        cameras.evict_expired(time.time())
        await asyncio.to_thread(cameras.file.refresh)
        if state.changed:
            await state.save()


class _State:
    """What is to be on disk, and what is there already. Arguments: see `housekeeping`."""

    def __init__(
        self,
        cameras: Cameras,
        file: Path | None,
        undelivered: Callable[[], Mapping[str, Any]],
        report: Callable[[bool], None],
    ) -> None:
        self._cameras = cameras
        self._file = file
        self._undelivered = undelivered
        self._report = report
        self._written = self._now()

    @property
    def changed(self) -> bool:
        return self._written != self._now()

    async def save(self) -> None:
        if self._file is None:
            return
        now = self._now()
        described = describe(self._cameras, time.time(), now[1])
        saved = await asyncio.to_thread(_write, described, self._file)
        self._report(saved)
        if saved:
            self._written = now

    def _now(self) -> tuple[int, Mapping[str, Any]]:
        return self._cameras.changes, self._undelivered()


def _write(described: dict[str, object], file: Path) -> bool:
    """Whether it could be written; a full disk must not stop the service, and is tried again."""
    try:
        write(described, file)
    except OSError as error:
        _LOG.error("state file cannot be written", extra={"file": str(file), "error": str(error)})
        return False
    return True


def _set_aside(file: Path, aside: Path) -> None:
    try:
        file.replace(aside)
    except OSError as error:
        _LOG.error("state file cannot be set aside", extra={"error": str(error)})


def _entry(alarm: CameraAlarm) -> dict[str, Any]:
    return {
        "state": alarm.state,
        "since_s": alarm.since_s,
        "score": alarm.score,
        "frames": alarm.frames,
        "newest_s": _finite(alarm.newest_s),
        "ended_s": _finite(alarm.ended_s),
        "places": alarm.places,
    }


def _alarm(entry: Mapping[str, Any]) -> CameraAlarm:
    alarm = CameraAlarm(
        AlarmState(entry["state"]),
        _number(entry["since_s"]),
        _number(entry["score"]),
        int(_number(entry["frames"])),
        _number(entry["newest_s"], -math.inf),
        [_box(box) for box in entry["places"]],
        _number(entry["ended_s"], -math.inf),
        restored=True,
    )
    alarm.counted_s = alarm.newest_s
    return alarm


def _box(raw: Any) -> Box:  # noqa: ANN401 - decoded JSON
    left, top, right, bottom = (_number(edge) for edge in raw)
    return left, top, right, bottom


def _number(raw: Any, missing: float | None = None) -> float:  # noqa: ANN401 - decoded JSON
    if raw is None and missing is not None:
        return missing
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not math.isfinite(raw):
        raise ValueError(f"found {raw!r}, expected a finite number")
    return float(raw)


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _known_id(camera_id: str) -> str:
    if not _ID.fullmatch(camera_id):
        raise ValueError(f"found camera {camera_id[:80]!r}, expected an id")
    return camera_id
