"""A queue with a lane per camera, served in turn: one that floods waits behind itself, not before the others."""

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Generic, TypeVar

J = TypeVar("J")


class FairQueue(Generic[J]):
    """First in, first out within a lane; round robin among lanes. Not thread-safe."""

    def __init__(self) -> None:
        self._lanes: OrderedDict[str | None, deque[J]] = OrderedDict()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def push(self, lane: str | None, job: J) -> None:
        """Add to the end of a lane; a new lane is served after the present ones."""
        self._lanes.setdefault(lane, deque()).append(job)
        self._length += 1

    def pop(self) -> J:
        """Take the first of the lane whose turn it is."""
        lane, jobs = next(iter(self._lanes.items()))
        job = jobs.popleft()
        self._length -= 1
        if jobs:
            self._lanes.move_to_end(lane)
        else:
            del self._lanes[lane]
        return job

    def find(self, lane: str | None, wanted: Callable[[J], bool]) -> J | None:
        """The first of a lane that is wanted."""
        return next((job for job in self._lanes.get(lane, ()) if wanted(job)), None)

    def replace(self, lane: str | None, old: J, new: J) -> None:
        """Put a job into another one's place."""
        jobs = self._lanes[lane]
        jobs[jobs.index(old)] = new

    def remove(self, unwanted: Callable[[J], bool]) -> list[J]:
        """Take out, from all lanes, what is not wanted any more."""
        removed = []
        for lane, jobs in list(self._lanes.items()):
            removed += [job for job in jobs if unwanted(job)]
            kept = deque(job for job in jobs if not unwanted(job))
            if kept:
                self._lanes[lane] = kept
            else:
                del self._lanes[lane]
        self._length -= len(removed)
        return removed
