"""How long a newcomer would wait: frames that the fair queue serves first x measured interval between two answers.

A camera that floods has its turns as the others have theirs, so it lengthens its own wait and nobody else's.
"""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from service.scheduling.context import RequestContext
from service.scheduling.service_time import ServiceTimeEstimator


@dataclass(frozen=True, slots=True)
class WaitPolicy:
    """How long an estimated wait may be.

    Attributes:
        wait_max_s: For any frame; 0 lets in what would be served at once.
        camera_wait_max_s: For a camera's only frame in flight, if that is longer.
    """

    wait_max_s: float
    camera_wait_max_s: float


class Backlog:
    """The frames in flight, by camera.

    Args:
        requests: Those in flight.
        estimator: How fast they go through.
    """

    def __init__(self, requests: Iterable[RequestContext], estimator: ServiceTimeEstimator) -> None:
        self._estimator = estimator
        self._frames: Counter[str | None] = Counter()
        self._requests: Counter[str | None] = Counter()
        for request in requests:
            self._frames[request.camera] += request.cost
            self._requests[request.camera] += 1
        self.total = self._frames.total()

    @property
    def total_wait_s(self) -> float:
        """How long a frame would wait behind all of them."""
        return self._behind_s(self.total, self.total)

    def of(self, camera: str | None) -> int:
        """How many are this camera's."""
        return self._frames[camera]

    def wait_s(self, context: RequestContext, replaced: int = 0) -> float:
        """How long a newcomer would wait that takes the place of a frame of this cost: behind its own, and the others' turns."""
        own = self.of(context.camera) - replaced
        # Before each of its own, and before itself, every other camera has one request served.
        turns = (
            min(frames, own + frames / self._requests[camera])
            for camera, frames in self._frames.items()
            if camera != context.camera
        )
        return self._behind_s(own + math.ceil(sum(turns)), self.total - replaced)

    def _behind_s(self, ahead: int, total: int) -> float:
        """Time until so many of those that wait are under way, and then one of those that the model works on is done."""
        waiting = total - self._estimator.parallelism
        return 0.0 if waiting < 0 else (min(ahead, waiting) + 1) * self._estimator.interval_s
