"""Whether a camera can be relied on: what is wrong with its pictures, and how far they have drifted from the release's.

Frozen, dark, overexposed, blurred or fogged is told from a small grey thumbnail. The limits stand well apart from what 250 real camera
frames show: contrast there is at least .14 (limit .08), sharpness at least .17 (limit .12; a Gaussian blur of 6 px gives at most .09),
glare at most .20 (limit .4), brightness at least .29 (limit .1).

A camera pans if its view changed before half of its last twelve frames: an alarm, which wants three frames of five at one place, then
hardly comes. `scenes` holds views against each other.

Damaged is told by the decoder: the file had a hole or overwritten bytes, as links leave them that lose packets.
Unfamiliar is told by the model, where its release tells novelty: the frame's is above the release's limit.

Drift compares a camera with itself: the last three days with those of more than a week ago, by PSI. Whole days hold a night each,
and a change of weather passes: what is told is the lesser index of two days on end. A change that stays is told after four days, for
about a week. Simulated cameras (tests/service/cameras/pictures/simulated_days.py) with days, nights, weather, fog in the morning and
fires stay below 2.8 for 90 days; half the contrast, or another model, gives 3.9 or more.

A camera without such a past is held against its release: by the share of its frames that lie outside of all that the release was
tested on, which was 1 % there. One camera is never spread as many are, so that a PSI over all bins would call every camera drifted.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Final

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import Field

from models.drift import Histogram, bins, psi
from service.cameras.pictures.scenes import Edges, same_view, view_edges
from service.cameras.storage.arrays import ByteArray, at_most
from service.pipeline.image_stats import ImageStats

FLAGS: Final = ("frozen", "dark", "overexposed", "blurred", "fogged", "damaged", "clock", "panning", "unfamiliar")
_DARK: Final = 0.1
_GLARE: Final = 0.4
_FLAT: Final = 0.08
_SOFT: Final = 0.12
_FROZEN_LEVELS: Final = 0
# Between frames a minute apart at least .013 of the pixels change by more than 2 levels, on two real cameras; a clock changes fewer.
_FROZEN_SHARE: Final = 0.005
_FROZEN_FRAMES: Final = 3
_PAN_FRAMES: Final = 12
FRAMES_MIN: Final = 60
"""Frames from which on a drift is told."""
_FRAMES_MAX: Final = 240
_OUTSIDE: Final = 0.01
_DAY_S: Final = 86_400
_RECENT_DAYS: Final = 3
_KEPT_DAYS: Final = 7
_PAST_DAYS_MIN: Final = 3
_PAST_DAYS: Final = 14
_RARE: Final = 0.01
"""What a smaller share of the frames shows is no drift."""
_NOTHING: Final = 1e-6
_EDGES: Final[Mapping[str, Sequence[float]]] = {
    "brightness": [number / 20 for number in range(21)],
    "contrast": [number / 40 for number in range(21)],
    "epistemic": [10.0 ** (half / 2) for half in range(-12, 1)],
    "novelty": [10.0 ** (quarter / 4) for quarter in range(-2, 9)],
}
"""In nats the first bin is all that is as good as nothing: smaller uncertainties are rounding errors."""


@dataclass(frozen=True, slots=True)
class CameraHealth:
    """How a camera stands after a frame: what is wrong with it (of `FLAGS`), its drift, its share of doubted regions."""

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


@dataclass(slots=True)
class FreezeDetector:
    """Whether a camera repeats itself: three frames in a row alike, but for a clock in a corner; a dark one cannot tell."""

    _last: ByteArray | None = None
    _alike: int = 0

    def frozen(self, stats: ImageStats) -> bool:
        """Take the next frame in; whether it and the ones before it are one picture."""
        same = self._last is not None and _alike(stats.thumbnail, self._last)
        self._alike = self._alike + 1 if same else 1
        self._last = stats.thumbnail
        return self._alike >= _FROZEN_FRAMES and stats.brightness >= _DARK


def _alike(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> bool:
    changed = cv2.compare(cv2.absdiff(one, other), _FROZEN_LEVELS, cv2.CMP_GT)
    return cv2.countNonZero(changed) < _FROZEN_SHARE * one.size


@dataclass(slots=True)
class PanDetector:
    """Whether a camera keeps turning; frames that show too little cannot tell."""

    _last: Edges | None = None
    _changes: Annotated[deque[bool], at_most(_PAN_FRAMES)] = field(default_factory=lambda: deque(maxlen=_PAN_FRAMES))

    def panning(self, stats: ImageStats) -> bool:
        """Take the next frame in; whether the view keeps changing."""
        if not quality_flags(stats):
            edges = view_edges(stats.thumbnail)
            if self._last is not None:
                self._changes.append(not same_view(edges, self._last))
            self._last = edges
        return sum(self._changes) >= _PAN_FRAMES / 2


_Count = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(slots=True)
class PastCounts:
    """How often a quantity of a camera fell into each bin, by days (UTC).

    Attributes:
        day: Today, in days since 1970.
        today: Frames by bin.
        recent: The same for each of the last seven days that had frames, the oldest first.
        past: The days before them, each a fourteenth lighter than the one after it.
        days: How many days went into `past`.
        indices: PSI of three days against `past`, after each of the last two days.
    """

    day: int
    today: list[_Count]
    recent: list[list[_Count]] = field(default_factory=list)
    past: list[_Count] = field(default_factory=list)
    days: int = 0
    indices: list[_Count] = field(default_factory=list)

    @property
    def drift(self) -> float | None:
        """The lesser index of the last two days; None while there are not so many."""
        return min(self.indices) if len(self.indices) == 2 else None

    def take(self, chosen: int, day: int) -> None:
        """Count a frame in its bin."""
        if day != self.day:
            self._close()
            self.day = day
        self.today[chosen] += 1

    def fits(self, size: int) -> bool:
        """Whether it was counted in so many bins."""
        return {len(counts) for counts in (self.today, *self.recent, self.past or self.today)} == {size}

    def _close(self) -> None:
        """The day is over."""
        self.recent.append(self.today)
        self.today = [0.0] * len(self.today)
        if len(self.recent) > _KEPT_DAYS:
            before = self.past or [0.0] * len(self.today)
            self.past = [(1 - 1 / _PAST_DAYS) * old + new for old, new in zip(before, self.recent.pop(0), strict=True)]
            self.days += 1
        recent = [sum(counts) for counts in zip(*self.recent[-_RECENT_DAYS:], strict=True)]
        if self.days >= _PAST_DAYS_MIN and sum(recent) >= FRAMES_MIN <= sum(self.past):
            self.indices = [*self.indices, psi(_shares(recent), _shares(self.past), _RARE)][-2:]


def _shares(counts: Sequence[float]) -> list[float]:
    return [count / sum(counts) for count in counts]


@dataclass(slots=True)
class DriftMonitor:
    """Whether a camera's last days are like the weeks before; until it has such a past, like what its release was tested on.

    Attributes:
        past: What is kept of it, by quantity.
    """

    past: dict[str, PastCounts] = field(default_factory=dict)
    _outside: dict[str, Annotated[deque[bool], at_most(_FRAMES_MAX)]] = field(default_factory=dict)

    def take(self, values: Mapping[str, float], reference: Mapping[str, Histogram], now_s: float) -> dict[str, float]:
        """Take a frame in.

        Args:
            values: By quantity of `models.drift.DRIFTING`.
            reference: The release's histograms, by quantity.
            now_s: Seconds since 1970.

        Returns:
            PSI by quantity, of those that have a past, or a reference and enough frames.
        """
        drifted = {}
        dark = values.get("brightness", 1.0) < _DARK
        for name, value in values.items():
            drift = self._from_past(name, value, int(now_s // _DAY_S))
            if drift is None and name in reference:
                drift = self._from_release(name, value, reference[name], dark=dark)
            if drift is not None:
                drifted[name] = drift
        return drifted

    def restore(self, past: Mapping[str, PastCounts]) -> None:
        """Take in what was kept before a restart, of quantities that are still counted alike."""
        self.past |= {name: counts for name, counts in past.items() if name in _EDGES and counts.fits(_size(name))}

    def _from_past(self, name: str, value: float, day: int) -> float | None:
        if name not in self.past:
            self.past[name] = PastCounts(day, [0.0] * _size(name))
        self.past[name].take(int(bins(value, _EDGES[name])[0]), day)
        return self.past[name].drift

    def _from_release(self, name: str, value: float, histogram: Histogram, *, dark: bool) -> float | None:
        """By the frames that lie outside of the release's; releases are tested by daylight."""
        outside = self._outside.setdefault(name, deque(maxlen=_FRAMES_MAX))
        if not dark:
            outside.append(value > histogram.edges[-1] or _NOTHING < value < histogram.edges[0])
        if len(outside) < FRAMES_MIN:
            return None
        share = sum(outside) / len(outside)
        return psi([share, 1 - share], [_OUTSIDE, 1 - _OUTSIDE])


def _size(name: str) -> int:
    return len(_EDGES[name]) - 1
