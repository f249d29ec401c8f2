"""Notifications on their way out: of each camera the newest change, sent by a task of its own, so that no frame waits for a receiver.

A delivery that fails is tried again for as long as it takes, after pauses that grow to a minute. The newest goes first, and a newer
change of a camera takes the place of its older one. Given up is only what the receiver refuses for good, or what finds no room.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final, Protocol

from service.cameras.alarm_status import AlarmTransition
from service.runtime.backoff import Backoff
from service.runtime.supervision import Supervisor

_LOG = logging.getLogger("service.notifications")
_BACKOFF: Final = Backoff(first_s=0.5, longest_s=60.0)


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
        pending_max: Most cameras of which something waits.
        backoff: Before the second attempt and each further one.
        drain_s: Longest time to send the rest at shutdown.
    """

    pending_max: int = 1024
    backoff: Backoff = _BACKOFF
    drain_s: float = 3.0


@dataclass(slots=True, eq=False)
class _Pending:
    """The newest change of a camera: since when its receiver is behind, how often it was tried, when it is tried next."""

    change: AlarmTransition
    behind_s: float
    attempts: int = 0
    due_s: float = 0.0


class Outbox:
    """Takes changes from the event loop and sees them delivered.

    Args:
        channel: Where they go.
        report: Told the channel and the result of each: delivered, replaced, failed or dropped.
        policy: How hard it is tried.
        kept: What is left at the end is written down for the next start, and so not dropped.
        supervisor: Keeps the deliveries going.
    """

    def __init__(
        self,
        channel: Channel,
        report: Callable[[str, str], None],
        policy: RetryPolicy | None = None,
        supervisor: Supervisor | None = None,
        *,
        kept: bool = False,
    ) -> None:
        self.name = channel.name
        self._channel = channel
        self._supervisor = supervisor or Supervisor()
        self._report = report
        self._policy = policy or RetryPolicy()
        self._kept = kept
        self._pending: dict[str, _Pending] = {}
        self._sending: _Pending | None = None
        self._woken = asyncio.Event()
        self._idle = asyncio.Event()

    @property
    def waiting_s(self) -> float:
        """For how long the receiver has not known of what it should; 0 if it knows all."""
        since_s = min((entry.behind_s for entry in self._pending.values()), default=None)
        return 0.0 if since_s is None else time.monotonic() - since_s

    @property
    def undelivered(self) -> list[AlarmTransition]:
        """What waits, the oldest first."""
        return [entry.change for entry in self._pending.values()]

    def resume(self, changes: Iterable[AlarmTransition]) -> None:
        """Take in what was undelivered before a restart."""
        for change in changes:
            self.notify(change)

    def notify(self, change: AlarmTransition) -> None:
        """Leave a change to be sent; returns at once."""
        if not self._channel.wants(change):
            return
        older = self._pending.pop(change.camera_id, None)
        behind_s = older.behind_s if older else time.monotonic()
        if older is not None and older is not self._sending:
            self._report(self.name, "replaced")
        elif len(self._pending) >= self._policy.pending_max:
            self._drop(next(iter(self._pending)))
        self._pending[change.camera_id] = _Pending(_joined(older, change), behind_s)
        self._idle.clear()
        self._woken.set()

    def show(self, camera_id: str, picture: bytes) -> None:
        """Nothing: a message names where the picture is."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Deliver while the context lasts; on leaving, what waits gets one more try and a moment to go out."""
        async with self._channel.opened():
            async with self._supervisor.running(f"send by {self.name}", self._work, needed=True):
                try:
                    yield
                finally:
                    await self._drain()
            for camera_id in [] if self._kept else list(self._pending):
                self._drop(camera_id)

    async def _drain(self) -> None:
        for entry in self._pending.values():
            entry.due_s = 0.0
        self._woken.set()
        try:
            async with asyncio.timeout(self._policy.drain_s):
                await self._idle.wait()
        except TimeoutError:
            left = {"channel": self.name, "notifications": len(self._pending), "kept": self._kept}
            _LOG.warning("notifications left unsent", extra=left)

    async def _work(self) -> None:
        while True:
            entry = self._newest_due()
            if entry is None:
                await self._until_due()
            else:
                await self._attempt(entry)

    def _newest_due(self) -> _Pending | None:
        now_s = time.monotonic()
        return next((entry for entry in reversed(self._pending.values()) if entry.due_s <= now_s), None)

    async def _until_due(self) -> None:
        if not self._pending:
            self._idle.set()
        due_s = min((entry.due_s for entry in self._pending.values()), default=None)
        self._woken.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(None if due_s is None else due_s - time.monotonic()):
                await self._woken.wait()

    async def _attempt(self, entry: _Pending) -> None:
        self._sending = entry
        try:
            result = await self._result(entry.change)
        finally:
            self._sending = None
        newest = self._pending.get(entry.change.camera_id) is entry
        if result is not None:
            self._report(self.name, result)
            if newest:
                del self._pending[entry.change.camera_id]
        elif newest:
            entry.attempts += 1
            entry.due_s = time.monotonic() + self._policy.backoff.scattered(entry.attempts)
        else:
            self._report(self.name, "replaced")

    async def _result(self, change: AlarmTransition) -> str | None:
        """What became of it; None if it is to be tried again."""
        told = {"channel": self.name, "camera": change.camera_id}
        try:
            await self._channel.deliver(change)
        except DeliveryFailed as error:
            _LOG.warning("notification failed", extra=told | {"error": str(error), "again": not error.permanent})
            return "failed" if error.permanent else None
        except Exception:  # noqa: BLE001 - a fault in one notification must not end the task that sends them all
            _LOG.exception("notification failed unexpectedly", extra=told)
            return None
        return "delivered"

    def _drop(self, camera_id: str) -> None:
        change = self._pending.pop(camera_id).change
        _LOG.error("notification dropped", extra={"channel": self.name, "camera": camera_id, "after": change.after})
        self._report(self.name, "dropped")


def _joined(older: _Pending | None, change: AlarmTransition) -> AlarmTransition:
    """A further alarm of a camera whose first one is undelivered begins where that one did."""
    if older is not None and change.before is change.after:
        return change._replace(before=older.change.before)
    return change
