"""Whose frame it is, until when it is wanted, and how much work it makes."""

import math
import time
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What is known of a request before its body is read. Times are those of `time.perf_counter`, which no clock jump reaches.

    Attributes:
        camera: Whose turn it uses up; None for a frame of no known camera.
        latest: It replaces an older such frame of its camera and view that still waits, and may be replaced itself.
        arrived_s: When its request came in.
        deadline_s: When its caller stops to care.
        cost: How many frames' work it is: several where tiles are wanted.
        view: What the camera was turned to, if it says so: a newer frame replaces one of the same view only.
        hurried: Its deadline is one of its caller's, shorter than the service's own.
    """

    camera: str | None = None
    latest: bool = False
    arrived_s: float = field(default_factory=time.perf_counter)
    deadline_s: float = math.inf
    cost: int = 1
    hurried: bool = False
    view: str | None = None

    @property
    def left_s(self) -> float:
        """Time until the deadline; negative afterwards."""
        return self.deadline_s - time.perf_counter()
