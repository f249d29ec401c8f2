"""What is looked after every second beside the frames: cameras that are gone, news of others, the rules, the snapshot on disk."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from service.cameras.registry import Cameras
from service.cameras.storage.snapshot import snapshot_of, write_snapshot
from service.runtime.supervision import Supervisor

_LOG = logging.getLogger("service.cameras")
_PERIOD_S: Final = 1.0
_CLOCK_STEP_S: Final = 5.0
"""What is more than this is no drift of the clock."""

_HANGS_S: Final = 10.0
"""A disk that takes longer counts as failing until it is done."""


@asynccontextmanager
async def housekeeping(
    cameras: Cameras,
    file: Path | None,
    period_s: float = _PERIOD_S,
    supervisor: Supervisor | None = None,
    *,
    undelivered: Callable[[], Mapping[str, Any]] = dict,
    report: Callable[[bool], None] = lambda _: None,
) -> AsyncIterator[None]:
    """Keep rules and snapshot fresh while the context lasts; the last state is written on leaving it.

    Each chore is a task of its own: where one fails, the others go on.

    Args:
        cameras: Whose state it is.
        file: Where it is written; None for nowhere.
        period_s: How often it is looked after.
        supervisor: Keeps the chores going.
        undelivered: The notifications to be written with it.
        report: Told of each attempt to write whether it went well.
    """
    await cameras.refresh(time.time())
    supervisor, state = supervisor or Supervisor(), _State(cameras, file, undelivered, report)
    chores: dict[str, Callable[[], Awaitable[None]]] = {
        "evict cameras": _eviction(cameras),
        "read states of cameras": lambda: cameras.refresh(time.time()),
        "read cameras file": lambda: asyncio.to_thread(cameras.file.refresh),
        "write state file": state.keep,
    }
    async with AsyncExitStack() as stack:
        for name, chore in chores.items():
            await stack.enter_async_context(supervisor.running(name, partial(_every, period_s, chore), needed=False))
        try:
            yield
        finally:
            await state.save()


async def _every(period_s: float, chore: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(period_s)
        await chore()


def _eviction(cameras: Cameras) -> Callable[[], Awaitable[None]]:
    """Evicts who is gone; nobody is because the clock of this machine was set."""
    ahead_s = time.time() - time.monotonic()

    async def evict() -> None:
        nonlocal ahead_s
        now_s, before_s = time.time(), ahead_s
        ahead_s = now_s - time.monotonic()
        if abs(ahead_s - before_s) > _CLOCK_STEP_S:
            cameras.clock_set(ahead_s - before_s)
        await cameras.evict_expired(now_s)

    return evict


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
        self._writing = asyncio.Lock()

    async def keep(self) -> None:
        """Write what has changed."""
        if self._written != self._now():
            await self.save()

    async def save(self) -> None:
        """Write what there is, after a writing that is under way: two at once would spoil each other's file."""
        if self._file is None:
            return
        async with self._writing:
            now = self._now()
            described = snapshot_of(self._cameras, time.time(), now[1])
            writing = asyncio.ensure_future(asyncio.to_thread(_write, described, self._file))
            if not (await asyncio.wait({writing}, timeout=_HANGS_S))[0]:
                _LOG.error("state file is not written yet: the disk hangs", extra={"file": str(self._file)})
                self._report(False)
            saved = await writing
            self._report(saved)
            if saved:
                self._written = now

    def _now(self) -> tuple[int, Mapping[str, Any], int]:
        """Changes, what was not told yet, and the minute of the last frame: what frames leave behind is written once a minute."""
        return self._cameras.changes, self._undelivered(), int(self._cameras.newest_s // 60)


def _write(described: dict[str, object], file: Path) -> bool:
    """Whether it could be written; a full disk must not stop the service, and is tried again."""
    try:
        write_snapshot(described, file)
    except OSError as error:
        _LOG.error("state file cannot be written", extra={"file": str(file), "error": str(error)})
        return False
    return True
