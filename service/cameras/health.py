"""Whether a camera can be relied on: what is wrong with its pictures, and how far they have drifted from the release's.

Frozen, dark, overexposed, blurred or fogged is told from a small grey thumbnail. The limits stand well apart from what 250 real camera
frames show: contrast there is at least .14 (limit .08), sharpness at least .17 (limit .12; a Gaussian blur of 6 px gives at most .09),
glare at most .20 (limit .4), brightness at least .29 (limit .1).

A camera pans if its view changed before half of its last twelve frames: an alarm, which wants three frames of five at one place, then
hardly comes. Views are held against each other by their edges, within a shake of a twentieth: between frames a minute apart two real
cameras gave at least .93 (half an hour apart .94), parts of their frames side by side, as presets would show them, at most .37.

Damaged is told by the decoder: the file had a hole or overwritten bytes, as links leave them that lose packets.

Drift is the PSI against the manifest's histograms. A population stability index over n frames and B bins is about (B - 1) / n without
any drift, so that too few frames say nothing.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from models.drift import Histogram, bins, psi
from service.pipeline.image_stats import ImageStats

FLAGS: Final = ("frozen", "dark", "overexposed", "blurred", "fogged", "damaged", "clock", "panning")
_DARK: Final = 0.1
_GLARE: Final = 0.4
_FLAT: Final = 0.08
_SOFT: Final = 0.12
_FROZEN_LEVELS: Final = 0
# Between frames a minute apart at least .013 of the pixels change by more than 2 levels, on two real cameras; a clock changes fewer.
_FROZEN_SHARE: Final = 0.005
_FROZEN_FRAMES: Final = 3
_PAN_FRAMES: Final = 12
_VIEW_PX: Final = 80
_SHAKE_PX: Final = 4
_SAME_VIEW: Final = 0.7
FRAMES_MIN: Final = 60
"""Frames from which on a drift is told."""
_FRAMES_MAX: Final = 240


@dataclass(frozen=True, slots=True)
class CameraHealth:
    """How a camera stands after a frame: what is wrong with its picture or its clock, its drift, its share of doubted regions."""

    quality_flags: frozenset[str]
    drift: Mapping[str, float]
    doubted_share: float


def quality_flags(stats: ImageStats) -> frozenset[str]:
    """What is wrong with a single frame; a dark or overexposed one is not also called fogged or blurred."""
    if stats.brightness < _DARK:
        return frozenset({"dark"})
    if stats.glare >= _GLARE:
        return frozenset({"overexposed"})
    if stats.contrast < _FLAT:
        return frozenset({"fogged"})
    return frozenset({"blurred"}) if stats.sharpness < _SOFT else frozenset()


class FreezeDetector:
    """Whether a camera repeats itself: three frames in a row alike, but for a clock in a corner; a dark one cannot tell."""

    def __init__(self) -> None:
        self._last: npt.NDArray[np.uint8] | None = None
        self._alike = 0

    def frozen(self, stats: ImageStats) -> bool:
        """Take the next frame in; whether it and the ones before it are one picture."""
        same = self._last is not None and _alike(stats.thumbnail, self._last)
        self._alike = self._alike + 1 if same else 1
        self._last = stats.thumbnail
        return self._alike >= _FROZEN_FRAMES and stats.brightness >= _DARK


def _alike(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> bool:
    changed = cv2.compare(cv2.absdiff(one, other), _FROZEN_LEVELS, cv2.CMP_GT)
    return cv2.countNonZero(changed) < _FROZEN_SHARE * one.size


class PanDetector:
    """Whether a camera keeps turning; frames that show too little cannot tell."""

    def __init__(self) -> None:
        self._last: npt.NDArray[np.float32] | None = None
        self._changes: deque[bool] = deque(maxlen=_PAN_FRAMES)

    def panning(self, stats: ImageStats) -> bool:
        """Take the next frame in; whether the view keeps changing."""
        if not quality_flags(stats):
            edges = _edges(stats.thumbnail)
            if self._last is not None:
                self._changes.append(_likeness(edges, self._last) < _SAME_VIEW)
            self._last = edges
        return sum(self._changes) >= _PAN_FRAMES / 2


def _edges(thumbnail: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Where the grey level changes, and how much: (80, 80), the root taken so that a few strong edges do not decide."""
    small = cv2.resize(thumbnail, (_VIEW_PX, _VIEW_PX), interpolation=cv2.INTER_AREA).astype(np.float32)
    across, down = cv2.Sobel(small, cv2.CV_32F, 1, 0), cv2.Sobel(small, cv2.CV_32F, 0, 1)
    return np.asarray(np.sqrt(np.hypot(across, down)), np.float32)


def _likeness(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> float:
    """Correlation of two views, the best over small shifts."""
    middle = one[_SHAKE_PX:-_SHAKE_PX, _SHAKE_PX:-_SHAKE_PX]
    return float(cv2.matchTemplate(other, middle, cv2.TM_CCOEFF_NORMED).max())


class DriftMonitor:
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
