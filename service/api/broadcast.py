"""Server-sent events for any number of readers: each has a bounded queue, and one that does not keep up is let go.

Belongs to the event loop. Whoever publishes never waits, and where nobody reads nothing is even written down.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Final

READERS_MAX: Final = 100
"""Each holds a connection."""
_QUEUE_MAX: Final = 512
_HEARTBEAT_S: Final = 15.0
"""Shorter than the minute after which proxies close a connection on which nothing moves."""
_LIFE_S: Final = 900.0
"""Then a reader has to come again: a key that was taken back opens nothing for longer."""
_HEARTBEAT: Final = b": still here\n\n"


class Broadcast:
    """The readers, and what is on its way to each.

    Args:
        report_dropped: Told of each reader that was let go.
        heartbeat_s: A comment is sent where there was nothing else for so long.
        life_s: How long a reader is served.
    """

    def __init__(
        self, report_dropped: Callable[[], None], heartbeat_s: float = _HEARTBEAT_S, life_s: float = _LIFE_S
    ) -> None:
        self._report_dropped = report_dropped
        self._heartbeat_s, self._life_s = heartbeat_s, life_s
        self._queues: set[asyncio.Queue[bytes | None]] = set()
        self._closed = False

    @property
    def readers(self) -> int:
        """How many there are."""
        return len(self._queues)

    def publish(self, event: Callable[[], bytes]) -> None:
        """Hand an event to every reader; it is made only where there is one."""
        if not self._queues:
            return
        written = event()
        for queue in list(self._queues):
            if queue.qsize() >= _QUEUE_MAX:
                self._end(queue)
                self._report_dropped()
            else:
                queue.put_nowait(written)

    def close(self) -> None:
        """Let every reader go, and whoever comes later."""
        self._closed = True
        for queue in list(self._queues):
            self._end(queue)

    async def read(self, first: Iterable[bytes]) -> AsyncIterator[bytes]:
        """What one reader gets: these events, then all that are published, and heartbeats, until it is let go."""
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._queues.add(queue)
        try:
            for event in first:
                yield event
                await asyncio.sleep(0)  # each of many cameras takes its time: frames go between them
            ends_s = time.monotonic() + self._life_s
            while not self._closed and time.monotonic() < ends_s:
                following = await self._next(queue)
                if following is None:
                    return
                yield following
        finally:
            self._queues.discard(queue)

    async def _next(self, queue: "asyncio.Queue[bytes | None]") -> bytes | None:
        try:
            async with asyncio.timeout(self._heartbeat_s):
                return await queue.get()
        except TimeoutError:
            return _HEARTBEAT

    def _end(self, queue: "asyncio.Queue[bytes | None]") -> None:
        """Forget what the reader has not taken; should it be stuck in sending, the limits of connections end that."""
        self._queues.discard(queue)
        while not queue.empty():
            queue.get_nowait()
        queue.put_nowait(None)


def sse(name: str, data: str) -> bytes:
    """An event as the stream has it; `data` is one line."""
    return f"event: {name}\ndata: {data}\n\n".encode()
