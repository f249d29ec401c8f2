"""Whether the service takes frames: its phase, the permits of those inside, and the line they stand in."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from service.errors import Draining
from service.scheduling.backlog import Line, Spot
from service.scheduling.context import Ticket
from service.scheduling.permits import Permits, Place


class Phase(StrEnum):
    """Starting until the model is loaded and checked, draining from SIGTERM on."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"


@dataclass(frozen=True, slots=True)
class Inside:
    """A request that was let in: its permits, and its spot in the line."""

    place: Place
    spot: Spot

    def arrive(self, body_bytes: int) -> None:
        """The body is there and is this long."""
        self.place.settle_bytes(body_bytes)
        self.spot.arrive()


class Lifecycle:
    """The door: lets requests in while ready, as far as permits and patience go. Belongs to the event loop's thread.

    Args:
        permits: What may be in flight.
        line: How long those inside will take.
    """

    def __init__(self, permits: Permits, line: Line) -> None:
        self.phase = Phase.STARTING
        self.permits = permits
        self.line = line

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
    def admit(self, body_bytes: int = 0, ticket: Ticket | None = None) -> Iterator[Inside]:
        """Hold a place for one request, before its body is read.

        Args:
            body_bytes: The most that its body can be.
            ticket: Whose frame it is, and until when it is wanted; by default that of a frame of no camera.

        Raises:
            Draining: The service is not, or no longer, taking requests.
            ServiceFull: Every permit of a kind is taken, or the wait would be too long.
        """
        if self.phase is not Phase.READY:
            raise Draining(f"found the service {self.phase.value}, expected it ready")
        ticket = ticket or Ticket()
        spot = self.line.enter(ticket)
        try:
            place = self.permits.enter(body_bytes, ticket.camera, ticket.frames)
            try:
                yield Inside(place, spot)
            finally:
                place.leave()
        finally:
            spot.leave()
