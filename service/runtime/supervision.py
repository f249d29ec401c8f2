"""Background tasks that never die unnoticed: one that raises, or ends, is logged, counted, and begun again after a pause."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from service.runtime.backoff import Backoff

_LOG = logging.getLogger("service.background")
_FAILURES_MAX: Final = 5
_WELL_S: Final = 60.0
"""A task that went on for so long is well again; pauses between attempts stay below it."""


@dataclass(slots=True)
class _Failures:
    """How often a task failed in a row, and when it did so last."""

    count: int = 0
    last_s: float = 0.0

    def add(self, began_s: float) -> int:
        """Count a failure of the task, which was begun at `began_s`; returns how many there were in a row."""
        now_s = time.monotonic()
        self.count = 1 if now_s - began_s > _WELL_S else self.count + 1
        self.last_s = now_s
        return self.count

    @property
    def lasting(self) -> bool:
        """Whether it fails again and again."""
        return self.count >= _FAILURES_MAX and time.monotonic() - self.last_s < _WELL_S


class Supervisor:
    """Keeps tasks of the event loop going.

    Args:
        report: Told the task's name and 0 when it first begins, and 1 at each failure.
        backoff: Before it is begun again.
    """

    def __init__(
        self, report: Callable[[str, int], None] = lambda _name, _failures: None, backoff: Backoff | None = None
    ) -> None:
        self._report = report
        self._backoff = backoff or Backoff()
        self._needed: dict[str, _Failures] = {}

    @property
    def failing(self) -> str | None:
        """A task that the service cannot do without and that fails again and again; None where there is none."""
        return next((name for name, failures in self._needed.items() if failures.lasting), None)

    @asynccontextmanager
    async def running(self, name: str, work: Callable[[], Awaitable[None]], *, needed: bool) -> AsyncIterator[None]:
        """Keep a task going while the context lasts.

        Args:
            name: For the log and the metrics.
            work: Never ends by itself.
            needed: A service in which it fails again and again asks to be restarted.
        """
        failures = _Failures()
        if needed:
            self._needed[name] = failures
        self._report(name, 0)
        task = asyncio.create_task(self._keep(name, work, failures), name=name)
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _keep(self, name: str, work: Callable[[], Awaitable[None]], failures: _Failures) -> None:
        while True:
            began_s = time.monotonic()
            try:
                await work()
                _LOG.error("background task ended, and is begun again", extra={"task": name})
            except Exception:  # noqa: BLE001 - whatever it is, the task must go on
                end_if_cancelled()
                _LOG.exception("background task failed, and is begun again", extra={"task": name})
            self._report(name, 1)
            await asyncio.sleep(self._backoff.after(failures.add(began_s)))


def end_if_cancelled() -> None:
    """End a task that was told to end, where an exception on its way out has taken the place of that.

    Raises:
        asyncio.CancelledError: It was.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
