"""How much may be in flight: requests, those of one camera, bytes of bodies and decoded pixels."""

import threading
from dataclasses import dataclass

from service.errors import ServiceFull


@dataclass(frozen=True, slots=True)
class InFlightLimits:
    """Most requests, requests of one camera, bytes and pixels in flight. A request for tiles counts as often as it has views."""

    requests: int
    camera_requests: int
    bytes: int
    pixels: int


def check_room(unit: str, used: int, more: int, limit: int) -> None:
    """Ask whether there is room for more.

    Raises:
        ServiceFull: There is not.
    """
    if used + more > limit:
        raise ServiceFull(f"found {used} {unit} in flight, expected at most {limit - more} to take {more} more")


class Quota:
    """An amount in use that never passes its limit. Safe from several threads."""

    def __init__(self, unit: str, limit: int) -> None:
        self.used = 0
        self.limit = limit
        self._unit = unit
        self._lock = threading.Lock()

    def check(self, more: int) -> None:
        """Raise as `take` would, and take nothing yet."""
        check_room(self._unit, self.used, more, self.limit)

    def take(self, more: int) -> None:
        """Use more; a negative amount is given back.

        Raises:
            ServiceFull: There is not that much left.
        """
        with self._lock:
            self.check(more)
            self.used += more
