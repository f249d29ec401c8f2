"""Evidence of smoke at one place over a few frames, weighed by confidence and doubt.

Notation, over the frames of a window:
    w(r) = min(1, mean probability of region r / sure), times `doubted` where the gate doubts r, halved where the file was damaged
    evidence(a) = sum over frames of the largest w(r) among the regions r that overlap region a
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

Boxes = npt.NDArray[np.float64]
"""Rectangles (n, 4): left, top, right, bottom as fractions of the frame."""
RelativeBox = tuple[float, float, float, float]
"""One of them."""
BoxPx = tuple[int, int, int, int]
"""Left, top, width and height in pixels of the frame."""
DAMAGED_WEIGHT: Final = 0.5
"""Weight of what is seen in a damaged file: two of 40 such files show smoke that is not there."""


class AlarmPolicy(BaseModel):
    """When smoke becomes an alarm. The only place of its defaults and bounds: settings and cameras file take them from here."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)

    frames: int = Field(default=5, ge=1, le=32, description="Frames of a camera that an alarm looks back on.")
    hits: float = Field(default=3.0, ge=0.1, le=32, description="Frames of those with smoke at one place for an alarm.")
    window_s: float = Field(
        default=900.0,
        ge=1,
        le=86_400,
        description="Frames captured longer ago do not count, unless they come so rarely that too few are left.",
    )
    hold: float = Field(
        default=0.5, ge=0, le=1, description="An alarm lasts until the evidence is below this share of hits."
    )
    cooldown_s: float = Field(
        default=600.0, ge=0, le=86_400, description="No new alarm at a place for so long after one."
    )
    doubted: float = Field(default=1.0, ge=0, le=1, description="Weight of a region that the gate doubts.")
    sure: float = Field(
        default=0.5, ge=0, le=1, description="Mean probability from which on a region weighs 1; 0: any does."
    )
    overlap: float = Field(
        default=0.25, ge=0, le=1, description="Share of the smaller box that boxes at one place share."
    )
    margin: float = Field(default=0.01, ge=0, le=1, description="Boxes are widened so far before that, in frame sides.")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.hits > self.frames:
            found = {"hits": f"{self.hits:g}", "frames": self.frames}
            raise PydanticCustomError("hits", "found hits {hits} of frames {frames}, expected at most as many", found)
        return self


@dataclass(frozen=True, slots=True)
class RegionObservation:
    """A region of smoke: its box (left, top, right, bottom) in fractions of the frame, its mean probability, and if it is doubted.

    `silent_above`: at a higher threshold it would not count; 0 where that is not known.
    `box_px` is the box as the reply gives it: left, top, width and height in pixels of the frame. `damaged`: the frame's file was.
    `area_fraction`: its pixels over those of the frame.
    """

    box: RelativeBox
    confidence: float
    doubted: bool
    silent_above: float = 0.0
    box_px: BoxPx = (0, 0, 0, 0)
    damaged: bool = False
    area_fraction: float = 0.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for smoke at the place of each region of the window.

    Attributes:
        boxes: (n, 4), one a region.
        weighed: (n,) evidence at its place.
        undoubted: (n,) the same without the gate's doubt and that for damage.
        hits: (n,) frames with smoke at its place.
    """

    boxes: Boxes
    weighed: npt.NDArray[np.float64]
    undoubted: npt.NDArray[np.float64]
    hits: npt.NDArray[np.int64]

    @property
    def most(self) -> float:
        """The most evidence at any place; 0 where there is none."""
        return float(self.weighed.max(initial=0.0))

    @property
    def most_undoubted(self) -> float:
        """The most evidence at any place without the gate's doubt and that for damage; 0 where there is none."""
        return float(self.undoubted.max(initial=0.0))

    @property
    def most_frames(self) -> int:
        """Frames with smoke at the place with the most evidence."""
        return int(self.hits[self.weighed.argmax()]) if len(self.hits) else 0


def weigh(frames: Sequence[Sequence[RegionObservation]], policy: AlarmPolicy) -> Evidence:
    """The evidence at each place of a window; the regions of each frame."""
    seen = [region for frame in frames for region in frame]
    boxes = np.array([region.box for region in seen], np.float64).reshape(-1, 4)
    if not seen:
        return Evidence(boxes, np.zeros(0), np.zeros(0), np.zeros(0, np.int64))
    sure = np.array([_sureness(region.confidence, policy) for region in seen])
    doubt = np.where([region.doubted for region in seen], policy.doubted, 1.0)
    doubt *= np.where([region.damaged for region in seen], DAMAGED_WEIGHT, 1.0)
    near = overlaps(boxes, boxes, policy)
    counts = [len(frame) for frame in frames if frame]
    starts = np.concatenate(([0], np.cumsum(counts)[:-1])).astype(np.intp)

    def by_frame(weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.asarray(np.maximum.reduceat(np.where(near, weights, 0.0), starts, axis=1), np.float64)

    hits = (by_frame(np.ones(len(seen))) > 0).sum(axis=1)
    return Evidence(boxes, by_frame(sure * doubt).sum(axis=1), by_frame(sure).sum(axis=1), hits)


def silent_above(frames: Sequence[Sequence[RegionObservation]], policy: AlarmPolicy) -> float:
    """The highest threshold at which a window would still hold an alarm's evidence; 0 where it holds none.

    Regions weigh what they weigh at the threshold in force; at a higher one they would be smaller and surer.
    """
    thresholds = sorted({region.silent_above for frame in frames for region in frame})

    def falls_short(threshold: float) -> bool:
        left = [[region for region in frame if region.silent_above >= threshold] for frame in frames]
        return weigh(left, policy).most < policy.hits

    first = bisect_left(thresholds, True, key=falls_short)  # evidence falls as the threshold rises
    return thresholds[first - 1] if first else 0.0


def overlaps(these: Boxes, those: Boxes, policy: AlarmPolicy) -> npt.NDArray[np.bool_]:
    """Which boxes are at one place: (n, m) bool; the boxes (n, 4) and (m, 4) in fractions of the frame."""
    widen = np.array([-policy.margin, -policy.margin, policy.margin, policy.margin])
    a, b = (these + widen)[:, None, :], (those + widen)[None, :, :]
    shared = np.clip(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0.0, None).prod(axis=-1)
    smaller = np.minimum((a[..., 2:] - a[..., :2]).prod(axis=-1), (b[..., 2:] - b[..., :2]).prod(axis=-1))
    return np.asarray(shared >= policy.overlap * smaller)


def merge_places(places: Sequence[RelativeBox], boxes: Boxes, policy: AlarmPolicy) -> list[RelativeBox]:
    """The places, each widened by the boxes that overlap it, and a new one for each box that overlaps none."""
    merged = list(places)
    for box in boxes:
        near = overlaps(box[None], np.array(merged, np.float64).reshape(-1, 4), policy)[0]
        if near.any():
            index = int(near.argmax())
            merged[index] = _around(merged[index], box)
        else:
            merged.append(_around(box, box))
    return merged


def _around(one: RelativeBox | npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> RelativeBox:
    return (
        float(min(one[0], other[0])),
        float(min(one[1], other[1])),
        float(max(one[2], other[2])),
        float(max(one[3], other[3])),
    )


def _sureness(confidence: float, policy: AlarmPolicy) -> float:
    return min(1.0, confidence / policy.sure) if policy.sure > 0 else 1.0
