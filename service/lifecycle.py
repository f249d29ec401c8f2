"""Whether the service takes frames: its phase, and how many requests are inside."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from service.errors import Draining, ServiceFull


class Phase(StrEnum):
    """Starting until the model is loaded and checked, draining from SIGTERM on."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"


class Lifecycle:
    """The door: lets requests in while ready, up to a bound. Belongs to the event loop's thread.

    Args:
        requests_max: Most requests inside at once.
    """

    def __init__(self, requests_max: int) -> None:
        self.phase = Phase.STARTING
        self._requests_max = requests_max
        self._inside = 0

    @property
    def inside(self) -> int:
        """How many requests are inside."""
        return self._inside

    def open(self) -> None:
        """Start to take requests."""
        self.phase = Phase.READY

    def drain(self) -> None:
        """Take no more; those inside finish."""
        self.phase = Phase.DRAINING

    @contextmanager
    def admit(self) -> Iterator[None]:
        """Hold a place for one request.

        Raises:
            Draining: The service is not, or no longer, taking requests.
            ServiceFull: Every place is taken.
        """
        if self.phase is not Phase.READY:
            raise Draining(f"found the service {self.phase.value}, expected it ready")
        if self._inside >= self._requests_max:
            raise ServiceFull(f"found {self._inside} requests in flight, expected fewer than {self._requests_max}")
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1
