"""Notifications on their way out: a bounded queue and one task per channel, so that no frame ever waits for a slow receiver.

A delivery that fails is tried again with growing pauses. After several in a row that failed for good the breaker opens: nothing is
sent for a while, then one attempt decides whether it closes. When the queue is full the oldest notification makes room, and is counted.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from service.cameras.camera import AlarmTransition
from service.runtime.supervision import Supervisor

_LOG = logging.getLogger("service.notifications")


class DeliveryFailed(Exception):  # noqa: N818 - as in service.errors
    """A notification did not arrive; `permanent` if another attempt would fail alike."""

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent


class Channel(Protocol):
    """Somewhere that notifications go.

    Attributes:
        name: Label in the metrics.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    def wants(self, change: AlarmTransition) -> bool:
        """Whether a change is worth a notification."""
        ...

    async def deliver(self, change: AlarmTransition) -> None:
        """Send one. Raises DeliveryFailed."""
        ...

    def opened(self) -> AbstractAsyncContextManager[None]:
        """What the channel needs while it is in use."""
        ...


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How hard it is tried.

    Attributes:
        queue_max: Most notifications that wait.
        attempts: Per notification.
        pause_s, pause_max_s: Before the second attempt, doubled before each further one, up to the most.
        failures_max: Notifications in a row that may fail before the breaker opens.
        open_s: How long it stays open.
        drain_s: Longest time to send the rest at shutdown.
    """

    queue_max: int = 256
    attempts: int = 5
    pause_s: float = 0.5
    pause_max_s: float = 30.0
    failures_max: int = 3
    open_s: float = 60.0
    drain_s: float = 3.0


class Outbox:
    """Takes changes from the event loop and sees them delivered, in order.

    Args:
        channel: Where they go.
        report: Told the channel and the result of each: delivered, failed or dropped.
        policy: How hard it is tried.
        supervisor: Keeps the deliveries going.
    """

    def __init__(
        self,
        channel: Channel,
        report: Callable[[str, str], None],
        policy: RetryPolicy | None = None,
        supervisor: Supervisor | None = None,
    ) -> None:
        self._channel = channel
        self._supervisor = supervisor or Supervisor()
        self._report = report
        self._policy = policy or RetryPolicy()
        self._queue: deque[AlarmTransition] = deque()
        self._filled = asyncio.Event()
        self._idle = asyncio.Event()
        self._failures = 0

    def offer(self, change: AlarmTransition) -> None:
        """Leave a change to be sent; returns at once."""
        if not self._channel.wants(change):
            return
        if len(self._queue) == self._policy.queue_max:
            self._queue.popleft()
            self._report(self._channel.name, "dropped")
        self._queue.append(change)
        self._idle.clear()
        self._filled.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Deliver while the context lasts; on leaving, what waits gets a moment to go out, and the rest is counted as dropped."""
        async with self._channel.opened():
            if not self._queue:
                self._idle.set()
            async with self._supervisor.running(f"send by {self._channel.name}", self._work, needed=True):
                try:
                    yield
                finally:
                    await self._drain()
            while self._queue:
                self._queue.popleft()
                self._report(self._channel.name, "dropped")

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(self._policy.drain_s):
                await self._idle.wait()
        except TimeoutError:
            _LOG.warning("notifications left unsent", extra={"channel": self._channel.name})

    async def _work(self) -> None:
        while True:
            if not self._queue:
                self._idle.set()
                self._filled.clear()
                await self._filled.wait()
            broken = self._failures >= self._policy.failures_max
            if broken:
                await asyncio.sleep(self._policy.open_s)
            change = self._queue.popleft()
            delivered = await self._deliver(change, 1 if broken else self._policy.attempts)
            self._failures = 0 if delivered else self._failures + 1
            self._report(self._channel.name, "delivered" if delivered else "failed")

    async def _deliver(self, change: AlarmTransition, attempts: int) -> bool:
        """Whether it arrived."""
        for attempt in range(attempts):
            if attempt:
                pause_s = min(self._policy.pause_max_s, self._policy.pause_s * 2 ** (attempt - 1))
                await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - so that many do not come back at once
            try:
                await self._channel.deliver(change)
            except DeliveryFailed as error:
                _LOG.warning("notification failed", extra={"channel": self._channel.name, "error": str(error)})
                if error.permanent:
                    return False
            except Exception:  # noqa: BLE001 - a fault in one notification must not end the task that sends them all
                _LOG.exception("notification failed unexpectedly", extra={"channel": self._channel.name})
                return False
            else:
                return True
        return False


class Notifier:
    """Hands each change to every channel.

    Args:
        channels: Where changes go.
        report: Told the channel and the result of each notification.
        supervisor: Keeps the deliveries going.
    """

    def __init__(
        self, channels: list[Channel], report: Callable[[str, str], None], supervisor: Supervisor | None = None
    ) -> None:
        self._outboxes = [Outbox(channel, report, supervisor=supervisor) for channel in channels]

    def notify(self, change: AlarmTransition) -> None:
        """Leave a change to be sent; returns at once."""
        for outbox in self._outboxes:
            outbox.offer(change)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Deliver while the context lasts."""
        async with AsyncExitStack() as stack:
            for outbox in self._outboxes:
                await stack.enter_async_context(outbox.running())
            yield
