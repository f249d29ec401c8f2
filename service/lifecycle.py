"""Whether the service takes frames: its phase, and the permits of those inside."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from service.errors import Draining
from service.permits import Permits, Place


class Phase(StrEnum):
    """Starting until the model is loaded and checked, draining from SIGTERM on."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"


class Lifecycle:
    """The door: lets requests in while ready, as far as the permits go. Belongs to the event loop's thread.

    Args:
        permits: What may be in flight.
    """

    def __init__(self, permits: Permits) -> None:
        self.phase = Phase.STARTING
        self.permits = permits

    @property
    def inside(self) -> int:
        """How many requests are inside."""
        return self.permits.requests.used

    def open(self) -> None:
        """Start to take requests."""
        self.phase = Phase.READY

    def drain(self) -> None:
        """Take no more; those inside finish."""
        self.phase = Phase.DRAINING

    @contextmanager
    def admit(self, body_bytes: int = 0, camera: str | None = None) -> Iterator[Place]:
        """Hold a place for one request, before its body is read.

        Args:
            body_bytes: The most that its body can be.
            camera: Whose frame it is, where that is known.

        Raises:
            Draining: The service is not, or no longer, taking requests.
            ServiceFull: Every permit of a kind is taken.
        """
        if self.phase is not Phase.READY:
            raise Draining(f"found the service {self.phase.value}, expected it ready")
        place = self.permits.enter(body_bytes, camera)
        try:
            yield place
        finally:
            place.leave()
