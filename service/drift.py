"""How far a camera's last frames have drifted from what the model was released on: PSI against the manifest's histograms.

A population stability index over n frames and B bins is about (B - 1) / n without any drift, so that too few frames say nothing.
"""

from collections import deque
from collections.abc import Mapping
from typing import Final

from models.drift import Histogram, bins, psi

FRAMES_MIN: Final = 60
"""Frames from which on a drift is told."""
_FRAMES_MAX: Final = 240


class Drift:
    """The last frames of one camera, held against a release's histograms."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def take(self, values: Mapping[str, float], reference: Mapping[str, Histogram]) -> dict[str, float]:
        """Take a frame in.

        Args:
            values: One a quantity.
            reference: Histogram by quantity; one with other bins than before starts anew.

        Returns:
            PSI by quantity, of those that have a reference and enough frames.
        """
        drifted = {}
        for name, histogram in reference.items():
            seen = self._seen.get(name)
            if seen is None or seen.edges != histogram.edges:
                seen = self._seen[name] = _Seen(histogram.edges)
            seen.take(values[name])
            if len(seen.last) >= FRAMES_MIN:
                drifted[name] = psi(seen.shares, histogram.shares)
        return drifted


class _Seen:
    """The bins that the last values of a quantity fell into, counted."""

    def __init__(self, edges: tuple[float, ...]) -> None:
        self.edges = edges
        self.last: deque[int] = deque()
        self._counts = [0] * (len(edges) - 1)

    @property
    def shares(self) -> list[float]:
        return [count / len(self.last) for count in self._counts]

    def take(self, value: float) -> None:
        if len(self.last) == _FRAMES_MAX:
            self._counts[self.last.popleft()] -= 1
        self.last.append(int(bins(value, self.edges)[0]))
        self._counts[self.last[-1]] += 1
