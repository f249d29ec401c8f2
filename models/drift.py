"""Reference histograms: how a quantity was distributed when the model was released, and how far what is seen now has drifted.

Notation: r_i the reference's share of bin i, s_i the share seen now; PSI = sum_i (s_i - r_i) ln(s_i / r_i), which is the
symmetrised Kullback-Leibler divergence. A rule of thumb: below 0.1 no drift, above 0.25 a drift to look at.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Self

import cv2
import numpy as np
import numpy.typing as npt

from models.geometry import RGB

DRIFTING: Final = ("brightness", "contrast", "epistemic", "novelty")
"""One value a frame each: mean grey level in [0, 1] of the thumbnail, its standard deviation, mean epistemic uncertainty in nats, and
`SegmentationMaps.novelty`."""
_THUMBNAIL_PX: Final = 160
_FLOOR: Final = 1e-4


class HistogramError(ValueError):
    """A histogram that cannot be; the message says what was found and what was expected."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """How one quantity is distributed.

    Attributes:
        edges: Bins + 1 rising numbers; what lies outside belongs to the first or the last bin.
        shares: One share a bin, at least 0, summing to 1.
    """

    edges: tuple[float, ...]
    shares: tuple[float, ...]

    def __post_init__(self) -> None:
        if not _finite(self.edges) or len(self.edges) < 3 or any(b <= a for a, b in pairwise(self.edges)):
            raise HistogramError(f"found edges {self.edges!r}, expected at least three rising numbers")
        if len(self.shares) != len(self.edges) - 1:
            raise HistogramError(
                f"found {len(self.shares)} shares, expected one for each of {len(self.edges) - 1} bins"
            )
        if not _finite(self.shares) or min(self.shares) < 0 or abs(sum(self.shares) - 1.0) > 1e-6:
            raise HistogramError(f"found shares {self.shares!r}, expected numbers from 0 on that sum to 1")

    @classmethod
    def of(cls, values: npt.ArrayLike, edges: Sequence[float]) -> Self:
        """The histogram of at least one value over the given edges."""
        counts = np.bincount(bins(values, edges), minlength=len(edges) - 1)
        return cls(tuple(float(edge) for edge in edges), tuple(float(count) for count in counts / counts.sum()))

    @classmethod
    def from_json(cls, raw: object) -> Self:
        """Build a histogram from decoded JSON.

        Raises:
            HistogramError: It is no object with the keys edges and shares, or a value is impossible.
        """
        if not isinstance(raw, dict) or set(raw) != {"edges", "shares"}:
            raise HistogramError(f"found {repr(raw)[:120]}, expected an object with the keys edges and shares")
        if not isinstance(raw["edges"], list | tuple) or not isinstance(raw["shares"], list | tuple):
            raise HistogramError(f"found {repr(raw)[:120]}, expected lists of numbers")
        return cls(tuple(raw["edges"]), tuple(raw["shares"]))


def thumbnail(frame: RGB) -> npt.NDArray[np.uint8]:
    """A frame fitted to the model's square, (size, size, 3), small and grey, (160, 160): what brightness and contrast are of."""
    small = cv2.resize(frame, (_THUMBNAIL_PX, _THUMBNAIL_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)


def bins(values: npt.ArrayLike, edges: Sequence[float]) -> npt.NDArray[np.intp]:
    """The bin of each value, (n,) from 0; what lies outside the rising edges, one more than bins, is in the first or last."""
    inner = np.asarray(edges[1:-1], np.float64)
    return np.searchsorted(inner, np.atleast_1d(np.asarray(values, np.float64)), side="right")


def psi(seen: Sequence[float], expected: Sequence[float], floor: float = _FLOOR) -> float:
    """Population stability index between two lists of shares; smaller ones count as `floor`, or it would be infinite."""
    now, then = (np.maximum(np.asarray(shares, np.float64), floor) for shares in (seen, expected))
    return float(((now - then) * np.log(now / then)).sum())


def _finite(numbers: Sequence[float]) -> bool:
    return all(isinstance(n, int | float) and not isinstance(n, bool) and math.isfinite(n) for n in numbers)
