"""A queue with a lane per camera, served in turn: one that floods waits behind itself, not before the others.

A job may cost several turns: where its lane has more of them, the others go first as often as it cost.
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Generic, TypeVar

J = TypeVar("J")


class FairQueue(Generic[J]):
    """First in, first out within a lane; round robin among lanes. Not thread-safe.

    Args:
        cost: Turns that a job costs, at least 1.

    Attributes:
        total: Cost of all that wait.
    """

    def __init__(self, cost: Callable[[J], int] = lambda _: 1) -> None:
        self.total = 0
        self._cost = cost
        self._lanes: OrderedDict[str | None, deque[J]] = OrderedDict()
        self._deficits: dict[str | None, int] = {}
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def push(self, lane: str | None, job: J) -> None:
        """Add to the end of a lane; a new lane is served after the present ones."""
        self._lanes.setdefault(lane, deque()).append(job)
        self._length += 1
        self.total += self._cost(job)

    def pop(self) -> J:
        """Take the first of the lane whose turn it is."""
        lane, jobs = self._turn()
        job = jobs.popleft()
        cost = self._cost(job)
        self._length -= 1
        self.total -= cost
        if jobs:
            self._lanes.move_to_end(lane)
            self._deficits[lane] = cost - 1
        else:
            self._drop(lane)
        return job

    def find(self, lane: str | None, wanted: Callable[[J], bool]) -> J | None:
        """The first of a lane that is wanted."""
        return next((job for job in self._lanes.get(lane, ()) if wanted(job)), None)

    def replace(self, lane: str | None, old: J, new: J) -> None:
        """Put a job into another one's place."""
        jobs = self._lanes[lane]
        jobs[jobs.index(old)] = new
        self.total += self._cost(new) - self._cost(old)

    def remove(self, unwanted: Callable[[J], bool]) -> list[J]:
        """Take out, from all lanes, what is not wanted any more."""
        removed = []
        for lane, jobs in list(self._lanes.items()):
            removed += [job for job in jobs if unwanted(job)]
            kept = deque(job for job in jobs if not unwanted(job))
            if kept:
                self._lanes[lane] = kept
            else:
                self._drop(lane)
        self._length -= len(removed)
        self.total -= sum(self._cost(job) for job in removed)
        return removed

    def _turn(self) -> tuple[str | None, deque[J]]:
        """The lane whose turn it is; one in debt lets the others go first, as long as there are others."""
        while True:
            lane, jobs = next(iter(self._lanes.items()))
            if len(self._lanes) == 1 or not self._deficits.get(lane):
                return lane, jobs
            self._deficits[lane] -= 1
            self._lanes.move_to_end(lane)

    def _drop(self, lane: str | None) -> None:
        del self._lanes[lane]
        self._deficits.pop(lane, None)
