"""Whether a request is let in, decided before its body is read.

The parts:

- `AdmissionControl`: the door. Open while the service is ready, it asks the others and gives each request one `Admission`.
- `InFlightLimits`, `Quota` (`in_flight.py`): how many requests, bytes and pixels there may be at once.
- `Backlog` (`backlog.py`): how long a frame would wait behind those inside; `WaitPolicy` says how long it may.
- `ServiceTimeEstimator` (`service_time.py`): how fast frames go through, as measured.
- `Admission`: all that one request holds, from the door until its answer; given back once.
"""

import math
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Final

from service.errors import ClientGone, DeadlineTooShort, Draining, ServiceFull
from service.scheduling.backlog import Backlog, WaitPolicy
from service.scheduling.context import RequestContext
from service.scheduling.in_flight import InFlightLimits, Quota, check_room
from service.scheduling.service_time import ServiceTimeEstimator

_SLOW_S: Final = 1.0
_SCATTER: Final = 2.0
"""A deadline of so many times the mean work on a frame leaves room for that work; a shorter one is missed by chance alone."""
_FIRST_WORK_S: Final = 5.0
"""What the work on a frame is taken for before one was answered: then much is done for the first time."""
_RETRY_MAX_S: Final = 30


class Phase(StrEnum):
    """Starting until the model is loaded and checked, draining from SIGTERM on."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"


class Admission:
    """A request that was let in, and what it holds.

    Attributes:
        context: The request.
        uploading: Whether its body is still on the way.
    """

    def __init__(self, context: RequestContext, bytes_quota: Quota, pixels_quota: Quota) -> None:
        self.context = context
        self.uploading = True
        self._bytes_quota, self._bytes = bytes_quota, 0
        self._pixels_quota, self._pixels = pixels_quota, 0
        self._released = False
        self._lock = threading.Lock()

    def arrived(self, more_bytes: int) -> None:
        """Hold so many bytes of the body.

        Raises:
            ServiceFull: Too many are in flight.
        """
        self._bytes_quota.take(more_bytes)
        self._bytes += more_bytes

    def complete(self) -> None:
        """The whole body is there."""
        self.uploading = False

    def hold_pixels(self, pixels: int) -> None:
        """Hold a frame's pixels, instead of what was held before. Called by the decoder's thread.

        Raises:
            ServiceFull: Too many are in flight.
            ClientGone: The request has left meanwhile, so that the frame need not be decoded.
        """
        with self._lock:
            if self._released:
                raise ClientGone("the caller left before the frame was decoded")
            self._pixels_quota.take(pixels - self._pixels)
            self._pixels = pixels

    def release(self) -> None:
        """Give everything back."""
        with self._lock:
            if not self._released:
                self._released = True
                self._bytes_quota.take(-self._bytes)
                self._pixels_quota.take(-self._pixels)


class AdmissionControl:
    """Admission control: lets requests in or refuses them. Used by the event loop's thread alone, but for what metrics read.

    Args:
        limits: What may be in flight.
        policy: How long a frame may wait.
        estimator: How fast frames go through.
        clock: Gives seconds, as a context's times are given.
    """

    def __init__(
        self,
        limits: InFlightLimits,
        policy: WaitPolicy,
        estimator: ServiceTimeEstimator,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.phase = Phase.STARTING
        self.limits = limits
        self.bytes = Quota("bytes", limits.bytes)
        self.pixels = Quota("pixels", limits.pixels)
        self._policy = policy
        self._estimator = estimator
        self._clock = clock
        self._inside: set[Admission] = set()

    @property
    def inside(self) -> int:
        """How many requests are inside, whatever their cost."""
        return len(self._inside)

    @property
    def backlog(self) -> Backlog:
        """The frames in flight. One whose body is slow to arrive counts only once it is there, so that it keeps nobody out."""
        slow_s = self._clock() - _SLOW_S
        inside = list(self._inside)
        return Backlog((a.context for a in inside if not a.uploading or a.context.arrived_s > slow_s), self._estimator)

    def open(self) -> None:
        """Start to take requests, unless the service was told to stop as it started."""
        if self.phase is Phase.STARTING:
            self.phase = Phase.READY

    def drain(self) -> None:
        """Take no more; those inside finish."""
        self.phase = Phase.DRAINING

    @contextmanager
    def admit(self, context: RequestContext, body_bytes: int = 0, replaced: int = 0) -> Iterator[Admission]:
        """Let a request in, before its body is read.

        Args:
            context: Whose frame it is, and until when it is wanted.
            body_bytes: The length that its body declares: refused where there is no room, held as it arrives.
            replaced: Cost of the waiting frame whose place it takes, 0 for none. That one was let in, so it may wait as long.

        Raises:
            Draining: The service is not, or no longer, taking requests.
            ServiceFull: A limit is reached, or the wait would be too long.
            DeadlineTooShort: There is a wait, and the deadline could not be met without one.
        """
        if self.phase is not Phase.READY:
            raise Draining(f"found the service {self.phase.value}, expected it ready")
        backlog = self.backlog
        self._check_limits(context, body_bytes, replaced, backlog)
        self._check_wait(context, replaced, backlog)
        admission = Admission(context, self.bytes, self.pixels)
        self._inside.add(admission)
        try:
            yield admission
        finally:
            self._inside.remove(admission)
            admission.release()
            if not admission.uploading:
                self._estimator.record_departure(context.cost)

    def too_short(self, context: RequestContext) -> bool:
        """Whether its caller gives less time than the work on its frame takes, waiting left out."""
        given_s = context.deadline_s - context.arrived_s
        known = self._estimator.interval_s > 0.0
        work_s = self._estimator.service_time_s(context.cost) if known else _FIRST_WORK_S
        return context.hurried and given_s < _SCATTER * work_s

    def _check_limits(self, context: RequestContext, body_bytes: int, replaced: int, backlog: Backlog) -> None:
        """A camera that floods must leave room for the others; frames without a camera are nobody's in particular.

        One that replaces another is let in whatever the limit of requests; of its camera's, one is beyond it until then.
        """
        camera, more = context.camera, context.cost - replaced
        if more > 0:
            check_room("requests", backlog.total, more, self.limits.requests)
        if camera is not None:
            check_room(f"requests of camera {camera}", backlog.of(camera), more, self.limits.camera_requests)
        self.bytes.check(body_bytes)
        self.pixels.check(1)

    def _check_wait(self, context: RequestContext, replaced: int, backlog: Backlog) -> None:
        wait_s = backlog.wait_s(context, replaced)
        work_s = self._estimator.service_time_s(context.cost)
        bound_s = self._policy.wait_max_s
        if context.camera is not None and not backlog.of(context.camera):
            bound_s = max(bound_s, self._policy.camera_wait_max_s)
        left_s = context.deadline_s - self._clock() - work_s
        most_s = max(0.0, left_s if replaced else min(left_s, bound_s))
        # What would be served at once is tried, whatever its deadline: that renews the estimate.
        if wait_s > most_s and self.too_short(context):
            given_ms = 1000 * (context.deadline_s - context.arrived_s)
            raise DeadlineTooShort(
                f"found a deadline of {given_ms:g} ms, expected the {1000 * work_s:.0f} ms of work on a frame"
            )
        if wait_s > most_s:
            raise ServiceFull(
                f"found about {1000 * wait_s:.0f} ms of frames ahead, expected at most {1000 * most_s:.0f} ms of them",
                _retry_after_s(wait_s - most_s),
            )


def _retry_after_s(beyond_s: float) -> int:
    """When the wait will have come down to its bound; not for all in the same second."""
    jitter_s = random.uniform(0.0, max(1.0, beyond_s / 2))  # noqa: S311 - nothing secret
    return min(_RETRY_MAX_S, math.ceil(beyond_s + jitter_s))
