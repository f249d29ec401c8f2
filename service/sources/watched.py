"""One source, kept going: read in a process, started anew after growing pauses, its newest frame handed on."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, NamedTuple

from service.errors import in_one_line
from service.runtime.backoff import Backoff
from service.sources.process import SourceFailed, SourceStalled, source_process
from service.sources.spec import CameraFrame, SourceSpec

_LOG = logging.getLogger("service.sources")
_WELL_S: Final = 60.0
"""A source that was read for so long is well again; longer than the longest pause."""
_BACKOFF: Final = Backoff(first_s=1.0, longest_s=60.0)


class SourceState(StrEnum):
    """How a source is.

    Attributes:
        CONNECTING: It was started and gave no frame yet.
        UP: It gives frames.
        DOWN, STALLED: It failed, or fell silent, and will be started anew.
        ENDED: It has no more frames.
    """

    CONNECTING = "connecting"
    UP = "up"
    DOWN = "down"
    STALLED = "stalled"
    ENDED = "ended"


class FrameOutcome(NamedTuple):
    """What became of a frame: what was found, or the problem; and after how many seconds it is to be tried again, 0 for never."""

    found: str = ""
    problem: str = ""
    pause_s: float = 0.0


TakeFrame = Callable[[CameraFrame], Awaitable[FrameOutcome]]


@dataclass(slots=True)
class SourceStatus:
    """How a source is.

    Attributes:
        state: See there.
        frames, replaced, refused: Frames that came; of these gave way to newer ones, got no answer.
        frame_s: When the last one was taken; 0 before the first.
        reconnects, stalls: How often it was started anew, and ended because it was silent.
        error: Why it is down, or why its last frame got no answer.
        found: What was found on the last frame.
    """

    state: SourceState = SourceState.CONNECTING
    frames: int = 0
    replaced: int = 0
    refused: int = 0
    frame_s: float = 0.0
    reconnects: int = 0
    stalls: int = 0
    error: str = ""
    found: str = ""


class WatchedSource:
    """A source and how it is.

    Args:
        spec: What is read.
        take: Does with a frame what is wanted, one at a time; the newest that came meanwhile is the next.
        backoff: Before it is started anew for the second time, and each further one.
    """

    def __init__(self, spec: SourceSpec, take: TakeFrame, backoff: Backoff = _BACKOFF) -> None:
        self.spec = spec
        self.status = SourceStatus()
        self._take = take
        self._backoff = backoff
        self._newest: asyncio.Queue[CameraFrame] = asyncio.Queue(1)

    async def run(self) -> None:
        """Watch until the source ends; one that fails is tried for ever. Cancel it to stop: its process is ended then."""
        sender = asyncio.create_task(self._hand_on())
        try:
            await self._read()
            await self._newest.join()
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)

    async def _read(self) -> None:
        failures = 0
        while True:
            began_s = time.monotonic()
            try:
                await self._read_once()
            except (SourceFailed, OSError) as error:
                failures = 1 if time.monotonic() - began_s > _WELL_S else failures + 1
                self._failed(error)
            else:
                self._enter(SourceState.ENDED)
                return
            await asyncio.sleep(self._backoff.scattered(failures - 1))
            self.status.reconnects += 1

    async def _read_once(self) -> None:
        async with source_process(replace(self.spec, after_s=self.status.frame_s)) as process:
            async for frame in process.frames():
                self.status.frames += 1
                self.status.frame_s = frame.captured_s
                self._enter(SourceState.UP)
                await self._put(frame)

    async def _put(self, frame: CameraFrame) -> None:
        """Live frames give way to newer ones; a recording's wait for one another, and their process with them."""
        if self.spec.live and self._newest.full():
            self._newest.get_nowait()
            self._newest.task_done()
            self.status.replaced += 1
        await self._newest.put(frame)

    async def _hand_on(self) -> None:
        while True:
            frame = await self._newest.get()
            while (answer := await self._answer(frame)).pause_s:
                self._problem(answer.problem)
                await asyncio.sleep(answer.pause_s)
                if self.spec.live and self._newest.full():
                    self._newest.task_done()
                    frame = self._newest.get_nowait()
                    self.status.replaced += 1
            self.status.refused += bool(answer.problem)
            self.status.found = answer.found
            self._problem(answer.problem)
            self._newest.task_done()

    async def _answer(self, frame: CameraFrame) -> FrameOutcome:
        try:
            return await self._take(frame)
        except Exception as error:  # noqa: BLE001 - whatever a frame brings about, the next one is tried
            _LOG.exception("frame not answered, unexpectedly", extra={"camera": self.spec.camera_id})
            return FrameOutcome(problem=in_one_line(error))

    def _problem(self, words: str) -> None:
        """Why the frame got no answer, if it got none; said when it changes."""
        if self.status.state is SourceState.UP and words != self.status.error:
            if words:
                _LOG.warning("frame not answered", extra={"camera": self.spec.camera_id, "error": words})
            self.status.error = words

    def _failed(self, error: SourceFailed | OSError) -> None:
        stalled = isinstance(error, SourceStalled)
        self.status.stalls += stalled
        self.status.error = str(error)
        self._enter(SourceState.STALLED if stalled else SourceState.DOWN)

    def _enter(self, state: SourceState) -> None:
        if state is self.status.state:
            return
        self.status.state = state
        told = {"camera": self.spec.camera_id, "source": self.spec.shown}
        if self.spec.view:
            told["view"] = self.spec.view
        if state in (SourceState.DOWN, SourceState.STALLED):
            _LOG.warning("source %s", state.value, extra=told | {"error": self.status.error})
        else:
            self.status.error = ""
            _LOG.info("source %s", state.value, extra=told)
