"""What is done for the cameras beside the frames, once a second: those that are gone, the file of rules, the snapshot."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from service import snapshot
from service.cameras import Cameras

_LOG = logging.getLogger("service.cameras")
_PERIOD_S: Final = 1.0


def restore(cameras: Cameras, file: Path | None) -> None:
    """Take in what was written before a restart; alarms first, should there not be room for all."""
    if file is None:
        return
    watches = snapshot.read(file)
    for camera_id, watch in sorted(watches.items(), key=lambda item: item[1].state != "alarm"):
        cameras.restore(camera_id, watch, time.time())
    if watches:
        _LOG.info("cameras restored", extra={"cameras": len(watches), "file": str(file)})


@asynccontextmanager
async def upkeep(cameras: Cameras, file: Path | None, period_s: float = _PERIOD_S) -> AsyncIterator[None]:
    """Keep rules and snapshot fresh while the context lasts; the last state is written on leaving it."""
    task = asyncio.create_task(_keep(cameras, file, period_s, cameras.changes))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if file is not None:
            await asyncio.to_thread(_write, snapshot.describe(cameras, time.time()), file)


async def _keep(cameras: Cameras, file: Path | None, period_s: float, written: int) -> None:
    while True:
        await asyncio.sleep(period_s)
        cameras.forget_gone(time.time())
        await asyncio.to_thread(cameras.file.refresh)
        if file is not None and cameras.changes != written:
            changes = cameras.changes
            if await asyncio.to_thread(_write, snapshot.describe(cameras, time.time()), file):
                written = changes


def _write(described: dict[str, object], file: Path) -> bool:
    """Whether it could be written; a full disk must not stop the service, and is tried again."""
    try:
        snapshot.write(described, file)
    except OSError as error:
        _LOG.error("state file cannot be written", extra={"file": str(file), "error": str(error)})
        return False
    return True
