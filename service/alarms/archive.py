"""The alarms and the files that are kept of them, written by a task of its own.

Nothing waits for a disk but that task: a frame is only handed to it, one at a time of each alarm. What finds no room or cannot be
written costs the picture and is counted; the alarm itself is in memory. Belongs to the event loop.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from service.alarms.folder import AlarmFolder
from service.alarms.index import AlarmIndex
from service.alarms.pictures import AlarmFrame, AlarmPictures
from service.alarms.record import LATEST, AlarmRecord, Judgement, KeptFile, KeptFrame, Role
from service.cameras.registry import Cameras
from service.errors import in_one_line
from service.runtime.supervision import Supervisor

_LOG = logging.getLogger("service.alarms")
_PERIOD_S: Final = 1.0
_PAUSE_S: Final = 10.0
"""Least time between two kept frames of an alarm: drawing and writing them must not cost what the model needs."""
_PENDING_BYTES_MAX: Final = 64 * 2**20
_PATIENCE_S: Final = 5.0
"""Longest time that a reader waits for a picture that is being written: messages name it before it is there."""
_DRAIN_S: Final = 3.0


class PictureResult(StrEnum):
    """What becomes of a frame: it is kept; or failed, because of the disk or of the frame; or dropped, as too much waits already."""

    KEPT = "kept"
    FAILED = "failed"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True, eq=False)
class _Pending:
    """A frame that waits to be written, how its alarm stood then, and whether it is done."""

    frame: AlarmFrame
    score: float
    area_fraction: float
    done: asyncio.Event = field(default_factory=asyncio.Event)


class AlarmArchive:
    """The alarms with their files.

    Args:
        index: The alarms.
        cameras: Whose they are.
        folder: Where files are kept; None for nowhere.
        draw: Makes the files of a frame, in a thread; may raise.
        report: Told what became of each frame.
        show: Given a small JPEG of each frame that was kept, and whose it is.
        supervisor: Keeps the task going.
    """

    def __init__(
        self,
        index: AlarmIndex,
        cameras: Cameras,
        folder: AlarmFolder | None,
        draw: Callable[[AlarmFrame], AlarmPictures],
        report: Callable[[PictureResult], None],
        show: Callable[[str, bytes], None],
        supervisor: Supervisor,
    ) -> None:
        self.index = index
        self._cameras = cameras
        self._folder = folder
        self._draw = draw
        self._report = report
        self._show = show
        self._supervisor = supervisor
        self._pending: dict[str, _Pending] = {}
        self._woken = asyncio.Event()
        self._settled = asyncio.Event()
        self._failing = False

    def take(self, camera_id: str, frame: AlarmFrame) -> None:
        """Follow a camera's alarm after a frame that the camera has just taken in, and keep the frame; returns at once."""
        camera = self._cameras.get(camera_id)
        view = camera.views.get(frame.view) if camera else None
        if camera is None or view is None or not frame.counted:
            return
        record = self.index.follow((camera_id, frame.view), view.alarm)
        if record is not None:
            self._keep(self.index.see(record, camera), _Pending(frame, view.alarm.score, view.area_fraction))

    def reconcile(self) -> None:
        """Hold the alarms against the cameras now rather than in a second: something was done to one without a frame."""
        self.index.reconcile(self._cameras, time.time())
        self._wake()

    def judge(self, alarm_id: str, judgement: Judgement) -> None:
        """Note what a person said of a known alarm; the last word counts."""
        record = self.index.get(alarm_id)
        if record is not None:
            self.index.put(record.model_copy(update={"judgement": judgement}))
            self._wake()

    async def file(self, alarm_id: str, role: Role, name: KeptFile) -> bytes | None:
        """A file of a kept frame, waited for if it is being written; None where there is none. Raises OSError."""
        if alarm_id in self._pending:
            with suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE_S):
                    await self._pending[alarm_id].done.wait()
        record = self.index.get(alarm_id)
        kept = record.frames.get(role) if record else None
        if kept is None or self._folder is None:
            return None
        return await asyncio.to_thread(self._folder.file, alarm_id, kept.number, name)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write while the context lasts; on leaving, what waits gets a moment."""
        self.index.reconcile(self._cameras, time.time())
        async with self._supervisor.running("keep alarms", self._work, needed=False):
            try:
                yield
            finally:
                self._wake()
                with suppress(TimeoutError):
                    async with asyncio.timeout(_DRAIN_S):
                        await self._settled.wait()

    def _keep(self, record: AlarmRecord, pending: _Pending) -> None:
        """Hand a frame to the task that writes, unless one of its alarm waits or was kept a moment ago."""
        latest, arrived_s = record.frames.get(LATEST), pending.frame.stamp.arrived_s
        too_soon = latest is not None and 0 <= arrived_s - latest.arrived_s < _PAUSE_S
        if self._folder is None or record.id in self._pending or too_soon:
            return
        waiting = sum(other.frame.size_bytes for other in self._pending.values())
        if self.index.full or (waiting and waiting + pending.frame.size_bytes > _PENDING_BYTES_MAX):
            self._report(PictureResult.DROPPED)
            return
        self._pending[record.id] = pending
        self._wake()

    def _wake(self) -> None:
        self._settled.clear()
        self._woken.set()

    async def _work(self) -> None:
        if self._folder is not None:
            await asyncio.to_thread(self._folder.sweep, list(self.index))
        while True:
            self._woken.clear()
            self.index.reconcile(self._cameras, time.time())
            for alarm_id in list(self._pending):
                await self._write_frame(alarm_id)
            await self._write_records()
            if not self._woken.is_set():
                self._settled.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(_PERIOD_S):
                    await self._woken.wait()

    async def _write_frame(self, alarm_id: str) -> None:
        pending, record = self._pending[alarm_id], self.index.get(alarm_id)
        number = 1 + max((kept.number for kept in record.frames.values()), default=-1) if record else 0
        try:
            pictures = await asyncio.to_thread(self._written, alarm_id, number, pending.frame)
        except Exception as error:  # noqa: BLE001 - whatever it is costs this picture, and no alarm
            _LOG.error("alarm picture is not kept", extra={"alarm": alarm_id, "error": in_one_line(error)})
            self._report(PictureResult.FAILED)
        else:
            self._record(alarm_id, number, pending, pictures)
        finally:
            del self._pending[alarm_id]
            pending.done.set()

    def _written(self, alarm_id: str, number: int, frame: AlarmFrame) -> AlarmPictures:
        assert self._folder, "frames wait only where there is a folder"  # noqa: S101
        pictures = self._draw(frame)
        self._folder.write_frame(alarm_id, number, pictures.files)
        return pictures

    def _record(self, alarm_id: str, number: int, pending: _Pending, pictures: AlarmPictures) -> None:
        """Note a frame whose files are written as the alarm's latest, unless the alarm was let go meanwhile."""
        record, stamp = self.index.get(alarm_id), pending.frame.stamp
        self._report(PictureResult.KEPT)
        if record is None:
            self.index.gone.add(alarm_id)
            return
        kept = KeptFrame(
            number=number,
            request_id=pending.frame.request_id,
            captured_s=stamp.captured_s,
            arrived_s=stamp.arrived_s,
            score=pending.score,
            area_fraction=pending.area_fraction,
            size_bytes=sum(map(len, pictures.files.values())),
        )
        self.index.put(record.with_frame(kept))
        self.index.bound(time.time())
        self._show(record.camera_id, pictures.small)

    async def _write_records(self) -> None:
        """Write what has changed and remove what is gone; what fails stays for the next time, and is told once."""
        index, folder = self.index, self._folder
        if folder is None:
            index.changed.clear()
            index.gone.clear()
            return
        found = await _each(index.gone, folder.remove)
        found = await _each(index.changed, lambda alarm_id: _write(folder, index.get(alarm_id))) or found
        if found and not self._failing:
            _LOG.error("alarms cannot be written down", extra={"folder": str(folder.path), "error": str(found)})
            self._report(PictureResult.FAILED)
        self._failing = found is not None


async def _each(alarm_ids: set[str], work: Callable[[str], None]) -> OSError | None:
    """Do it for each id in a thread; those for which it fails stay, and the last failure is returned."""
    found = None
    for alarm_id in sorted(alarm_ids):
        alarm_ids.discard(alarm_id)
        try:
            await asyncio.to_thread(work, alarm_id)
        except OSError as error:
            alarm_ids.add(alarm_id)
            found = error
    return found


def _write(folder: AlarmFolder, record: AlarmRecord | None) -> None:
    if record is not None:
        folder.write_record(record)
