"""Uvicorn, drained on the first signal: who is inside gets an answer, who comes later a refusal in words."""

import asyncio
import logging
import math
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from types import FrameType

import uvicorn

from service.scheduling.admission import AdmissionControl, Phase
from service.server.banner import StartupBanner

_LOG = logging.getLogger("service.server")


class DrainingServer(uvicorn.Server):
    """Says where it listens, and drains on the first signal.

    While it drains, those inside finish, probes are answered, and new frames are refused in words rather than with a
    closed port; then it stops as uvicorn does. A second signal stops it at once.

    Args:
        config: Uvicorn's; its `timeout_graceful_shutdown` comes after the draining.
        admission: The service's door.
        drain_s: Longest time that those inside get.
        handshake_s: Longest time that a TLS handshake may take.

    Attributes:
        banner: What is said once it listens.
        on_drain: Called again and again while it drains, for what would never end by itself.
        on_hangup: Called on SIGHUP, by the event loop: a signal's own handler may wait for a lock that what it interrupts holds.
        end_s: From the first signal on the process ends within this time, whatever its threads do; None: they are waited for.
    """

    banner: StartupBanner | None = None
    on_drain: Callable[[], None] = staticmethod(lambda: None)
    on_hangup: Callable[[], None] = staticmethod(lambda: None)
    end_s: float | None = None

    def __init__(
        self, config: uvicorn.Config, admission: AdmissionControl, drain_s: float, handshake_s: float = 10.0
    ) -> None:
        super().__init__(config)
        self._handshake_s = handshake_s
        self._admission = admission
        self._drain_s = drain_s
        self._drain_until_s = math.inf

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start as uvicorn does, then announce the address."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self.on_hangup)
        if self.config.is_ssl:
            _limit_handshakes(loop, self._handshake_s)
        await super().startup(sockets)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        if self.started and self.banner:
            self.banner.announce(sockets or [])

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Close the door on the first signal; stop on the second."""
        if self._admission.phase is Phase.DRAINING:
            super().handle_exit(sig, frame)
            return
        self._admission.drain()
        self._drain_until_s = time.monotonic() + self._drain_s
        if self.end_s is not None:
            last = threading.Timer(self.end_s, _end_at_once)
            last.daemon = True
            last.start()

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second: stop once everybody is out, or the time is up."""
        draining = self._admission.phase is Phase.DRAINING
        if draining:
            self.on_drain()
        if draining and (self._admission.inside == 0 or time.monotonic() >= self._drain_until_s):
            self.should_exit = True
        return await super().on_tick(counter)


def _end_at_once() -> None:
    """Something hangs, a thread in a library say, that cannot be told to stop."""
    working = ", ".join(sorted(thread.name for thread in threading.enumerate() if not thread.daemon))
    _LOG.error("ended with work unfinished: the time to drain is over", extra={"threads": working})
    logging.shutdown()
    os._exit(1)


def _limit_handshakes(loop: asyncio.AbstractEventLoop, seconds: float) -> None:
    """Uvicorn hands no such limit on, and asyncio's own is a minute."""
    loop.create_server = partial(loop.create_server, ssl_handshake_timeout=seconds)  # type: ignore[method-assign]
