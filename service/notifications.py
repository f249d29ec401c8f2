"""Which channels a change goes to, as the settings say; none by default."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from service.cameras.camera import Change
from service.outbox import Channel, Outbox


class Notifications:
    """Hands each change to every channel.

    Args:
        channels: Where changes go.
        report: Told the channel and the result of each notification.
    """

    def __init__(self, channels: list[Channel], report: Callable[[str, str], None]) -> None:
        self._outboxes = [Outbox(channel, report) for channel in channels]

    def tell(self, change: Change) -> None:
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
