"""How late the event loop is: a clock that should tick evenly, and what it says when it does not."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

_PERIOD_S: Final = 0.05


@asynccontextmanager
async def heartbeat(report: Callable[[float], None], period_s: float = _PERIOD_S) -> AsyncIterator[None]:
    """Tell, every period while the context lasts, by how many seconds the event loop was late."""
    task = asyncio.create_task(_beat(report, period_s))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _beat(report: Callable[[float], None], period_s: float) -> None:
    while True:
        due_s = time.perf_counter() + period_s
        await asyncio.sleep(period_s)
        report(max(0.0, time.perf_counter() - due_s))
