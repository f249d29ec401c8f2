"""Admission in time that is reckoned, not waited for."""

import math
from contextlib import ExitStack

from service.errors import ServiceFull
from service.scheduling.admission import Admission, AdmissionControl
from service.scheduling.backlog import WaitPolicy
from service.scheduling.context import RequestContext
from service.scheduling.in_flight import InFlightLimits
from service.scheduling.service_time import ServiceTimeEstimator


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Door:
    """Admission in time that is reckoned: by default a frame takes 0.1 s, one at a time, and 0.5 s is the longest wait."""

    def __init__(
        self,
        wait_max_s: float = 0.5,
        camera_wait_max_s: float = 10.0,
        run_s: float = 0.1,
        runners: int = 1,
        **limits: int,
    ) -> None:
        self.clock = Clock()
        self.estimator = ServiceTimeEstimator(runners)
        if run_s:
            self.estimator.record_run(run_s)
        most = InFlightLimits(**{"requests": 1000, "camera_requests": 1000, "bytes": 100, "pixels": 100, **limits})
        self.control = AdmissionControl(most, WaitPolicy(wait_max_s, camera_wait_max_s), self.estimator, self.clock)
        self.control.open()
        self._stacks: dict[Admission, ExitStack] = {}

    def enter(
        self,
        camera: str | None = None,
        left_s: float = math.inf,
        *,
        cost: int = 1,
        body_bytes: int = 0,
        replaced: int = 0,
        whole: bool = True,
        hurried: bool = False,
    ) -> Admission:
        """Let one in; its body is there at once if it is `whole`."""
        now_s = self.clock.now_s
        stack = ExitStack()
        context = RequestContext(camera, replaced > 0, now_s, now_s + left_s, cost, hurried)
        admission = stack.enter_context(self.control.admit(context, body_bytes, replaced))
        if whole:
            admission.complete()
        self._stacks[admission] = stack
        return admission

    def leave(self, admission: Admission) -> None:
        self._stacks.pop(admission).close()

    def accepts(self, camera: str | None = None, most: int = 200) -> int:
        """How many frames get in before one is refused."""
        for number in range(most):
            try:
                self.enter(camera)
            except ServiceFull:
                return number
        return most

    @property
    def used(self) -> tuple[int, int, int]:
        return self.control.backlog.total, self.control.bytes.used, self.control.pixels.used
