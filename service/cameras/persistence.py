"""For how long there has been smoke at the place of a region, as far as a view's last frames tell.

Over the regions q of the last n frames before it that are not older than the window, n and window as for the alarm:
    since(r) = the least since(q) of those whose box overlaps that of r, or else the time t of r's own frame
    persistence(r) = t - since(r)
So smoke that goes unseen for fewer than n frames has been there all the while, and plumes that merge are as old as the oldest.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from service.cameras.evidence import AlarmPolicy, RelativeBox, overlaps
from service.cameras.storage.arrays import DoubleArray


class _Frame(NamedTuple):
    time_s: float
    boxes: DoubleArray
    since_s: DoubleArray


@dataclass(slots=True)
class RegionHistory:
    """Where smoke was in the last frames of a view, and since when: at most as many frames as an alarm looks back on."""

    _frames: deque[_Frame] = field(default_factory=deque)

    def take(
        self, boxes: Sequence[RelativeBox], time_s: float, policy: AlarmPolicy, shift_s: float = 0.0
    ) -> tuple[float, ...]:
        """Take a frame in.

        Args:
            boxes: Of its regions.
            time_s: When it was taken, by the camera's clock.
            policy: Says how far to look back, and what is one place.
            shift_s: What the times of all earlier frames move by: the camera's clock was set.

        Returns:
            Seconds for each box, 0 for what was not there before.
        """
        if shift_s:
            self.shift(shift_s)
        while self._frames and (len(self._frames) > policy.frames or self._frames[0].time_s < time_s - policy.window_s):
            self._frames.popleft()
        seen, since_s = np.array(boxes, np.float64).reshape(-1, 4), np.full(len(boxes), time_s)
        for earlier in self._frames:
            near = overlaps(seen, earlier.boxes, policy)
            oldest_s = np.where(near, earlier.since_s[None, :], np.inf).min(axis=1, initial=np.inf)
            since_s = np.minimum(since_s, oldest_s)
        self._frames.append(_Frame(time_s, seen, since_s))
        return tuple(float(seconds) for seconds in time_s - since_s)

    def shift(self, seconds: float) -> None:
        """Move all that was seen by so many seconds: the camera's clock was set, or it looked elsewhere meanwhile."""
        self._frames = deque(_Frame(one.time_s + seconds, one.boxes, one.since_s + seconds) for one in self._frames)
