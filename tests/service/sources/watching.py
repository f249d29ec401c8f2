"""A source that is watched while something happens to it."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

from service.runtime.backoff import Backoff
from service.sources.spec import CameraFrame, SourceSpec
from service.sources.watched import FrameOutcome, WatchedSource
from tests.service.sources.processes import children_of, lives, processes_of

QUICK = Backoff(first_s=0.01, longest_s=0.05)
PATIENCE_S = 60.0


class Watching:
    """A source that is being watched, and the frames that came of it."""

    def __init__(self, spec: SourceSpec, backoff: Backoff = QUICK) -> None:
        self.frames: list[CameraFrame] = []
        self.source = WatchedSource(spec, self._take, backoff)
        self.status = self.source.status
        self._before = frozenset(children_of()) if sys.platform == "linux" else frozenset()

    async def _take(self, frame: CameraFrame) -> FrameOutcome:
        self.frames.append(frame)
        return FrameOutcome("clear")

    def zombies(self) -> list[int]:
        """Children that ended and that nobody asked for; those of other tests in this process are none of its business."""
        return [child for child in children_of() if child not in self._before and not lives(child)]

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():  # noqa: ASYNC110 - of another process, which sets no event
                await asyncio.sleep(0.01)

    async def more(self, count: int = 2) -> None:
        """Wait for so many frames more."""
        had = len(self.frames)
        await self.until(lambda: len(self.frames) >= had + count)


def watch(spec: SourceSpec, story: Callable[[Watching], Awaitable[None]]) -> Watching:
    """Watch a source while something happens to it; afterwards nothing is left of its process."""

    async def run() -> Watching:
        watching = Watching(spec)
        task = asyncio.create_task(watching.source.run())
        try:
            await story(watching)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if sys.platform == "linux":
            assert processes_of() == {}
            assert watching.zombies() == []
        return watching

    return asyncio.run(run())
