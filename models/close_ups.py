"""Close-ups: small smoke, seen on the whole frame, is looked at once more from nearby, and both looks are merged.

In the model's square a plume of a thousandth of the frame is 15 pixels wide, and its outline a guess. Coarse to fine, as in Huang et
al. 2020, «Glance and Focus»: the first look says where, the second one what. A frame without small smoke costs nothing more.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from models.geometry import RGB, Map, Region, box_on_frame, fit, fit_map, regions
from models.maps import SegmentationMaps

_TAPER = 0.15
"""Share of a window's side over which the whole frame's maps pass into those of the close-up."""
_SIDE_MIN = 0.1
"""Such a window is enlarged ten times: beyond that a manifest is mistaken."""
_MOST = 16
"""As many cost seventeen frames, as above."""


class CloseUpError(ValueError):
    """Close-ups that cannot be; the message says what was found and what was expected."""


@dataclass(frozen=True, slots=True)
class CloseUps:
    """How a release is looked through: part of what it was measured with, so its manifest says it.

    Attributes:
        seen: Probability from which on the whole frame shows something that is worth a close-up.
        smallest, largest: Area of such a region, as fractions of the frame: larger smoke is better judged with what lies around it.
        side: Of a window, as a share of the frame's width and height.
        most: Windows a frame, of the largest regions.
        cut: Probability at an edge of its window from which on a close-up is left out: its smoke is larger than the window.

    Raises:
        CloseUpError: One of them is out of its range.
    """

    seen: float = 0.5
    smallest: float = 0.00004
    largest: float = 0.002
    side: float = 5 / 12
    most: int = 4
    cut: float = 0.75

    def __post_init__(self) -> None:
        shares = {
            "seen": self.seen,
            "smallest": self.smallest,
            "largest": self.largest,
            "side": self.side,
            "cut": self.cut,
        }
        for name, share in shares.items():
            if type(share) not in (int, float) or not 0.0 < share <= 1.0:
                raise CloseUpError(f"found close_ups.{name} {share!r}, expected a number above 0, of 1 at most")
        if self.side < _SIDE_MIN:
            raise CloseUpError(f"found close_ups.side {self.side!r}, expected {_SIDE_MIN} or more")
        if type(self.most) is not int or not 1 <= self.most <= _MOST:
            raise CloseUpError(f"found close_ups.most {self.most!r}, expected a whole number from 1 to {_MOST}")

    @classmethod
    def from_json(cls, raw: object) -> Self:
        """Build them from decoded JSON. Raises CloseUpError."""
        known = [field.name for field in fields(cls)]
        if not isinstance(raw, dict) or set(raw) != set(known):
            raise CloseUpError(f"found close_ups {str(raw)[:200]}, expected {', '.join(known)}")
        return cls(**raw)

    def windows(self, probability: Map, width_px: int, height_px: int) -> tuple[Region, ...]:
        """Where to look closer: a window around each small region, unless an earlier one holds it.

        Args:
            probability: Of the whole frame, (size, size).
            width_px, height_px: Size of the frame: one with no more pixels than the map has nothing more to show.

        Returns:
            Square pieces of the map.
        """
        chosen: list[Region] = []
        if max(width_px, height_px) <= len(probability):
            return ()
        for region in regions(probability >= self.seen, self.smallest)[0]:
            small = region.area_px <= self.largest * probability.size
            if small and len(chosen) < self.most and not any(_holds(window, region) for window in chosen):
                chosen.append(_around(region, len(probability), round(self.side * len(probability))))
        return tuple(chosen)

    def merge(
        self, whole: SegmentationMaps, windows: Sequence[Region], answers: Sequence[SegmentationMaps]
    ) -> SegmentationMaps:
        """The maps of a frame, with those of its close-ups put into their windows.

        Within a window all four maps are the close-up's; over `_TAPER` of its side, from its edge on, they are a mixture with those of
        the whole frame, so that there is no seam. So total = aleatoric + epistemic still. Novelty is that of the whole frame.

        Returns:
            Maps of the whole's size.
        """
        if not windows:
            return whole
        probability, total, aleatoric, epistemic = merged = [values.copy() for values in whole.maps]
        for window, answer in zip(windows, answers, strict=True):
            side, size_px = window.width, len(whole.probability)
            near = [fit_map(values, side) for values in answer.maps]
            weight = np.minimum.outer(_rise(window.top, side, size_px), _rise(window.left, side, size_px))
            edge = weight < 1.0 / (_TAPER * side)  # its outermost pixels, but for those at the frame's own edge
            if near[0][edge].max(initial=0.0) >= self.cut:
                continue
            piece = (slice(window.top, window.top + side), slice(window.left, window.left + side))
            for values, seen in zip(merged, near, strict=True):
                values[piece] += weight * (seen - values[piece])
        return SegmentationMaps(probability, total, aleatoric, epistemic, whole.novelty)


def close_ups(image: RGB, windows: Sequence[Region], size_px: int) -> tuple[RGB, ...]:
    """What the model is shown of each window.

    Args:
        image: The frame, (height, width, 3) uint8 RGB.
        windows: Of its square of `size_px`.
        size_px: Side of the model's square.

    Returns:
        Of each window (size_px, size_px, 3) uint8 RGB.
    """
    height, width = image.shape[:2]
    boxes = (box_on_frame(window, size_px, width, height) for window in windows)
    return tuple(fit(image[box.y : box.y + box.height, box.x : box.x + box.width], size_px) for box in boxes)


def _around(region: Region, size_px: int, side: int) -> Region:
    """The window with the region in its middle, moved into the square."""
    left = round(region.left + (region.width - side) / 2)
    top = round(region.top + (region.height - side) / 2)
    return Region(
        min(max(left, 0), size_px - side), min(max(top, 0), size_px - side), side, side, side * side, region.label
    )


def _holds(window: Region, region: Region) -> bool:
    across = window.left <= region.left and region.left + region.width <= window.left + window.width
    down = window.top <= region.top and region.top + region.height <= window.top + window.height
    return across and down


def _rise(start: int, side: int, size_px: int) -> Map:
    """Weight of the close-up along one axis, (side,): 1, falling to 0 at the ends of a window that are none of the frame's."""
    steps = (np.arange(side, dtype=np.float32) + 0.5) / (_TAPER * side)
    first = steps if start > 0 else np.full_like(steps, np.inf)
    last = steps[::-1] if start + side < size_px else np.full_like(steps, np.inf)
    rise: Map = np.minimum(1.0, np.minimum(first, last))
    return rise
