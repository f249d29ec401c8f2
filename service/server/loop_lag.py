"""How late the event loop is: what blocks it delays every request."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from service.runtime.supervision import Supervisor

_PERIOD_S: Final = 0.05


@asynccontextmanager
async def monitor_loop_lag(
    report: Callable[[float], None], period_s: float = _PERIOD_S, supervisor: Supervisor | None = None
) -> AsyncIterator[None]:
    """Tell, every period while the context lasts, by how many seconds the event loop was late."""

    async def beat() -> None:
        while True:
            due_s = time.perf_counter() + period_s
            await asyncio.sleep(period_s)
            report(max(0.0, time.perf_counter() - due_s))

    async with (supervisor or Supervisor()).running("watch event loop", beat, needed=False):
        yield
