"""Evidence of smoke at one place over a few frames, weighed by confidence and doubt.

Notation, over the frames of a window:
    w(r) = min(1, mean probability of region r / sure), times `doubted` where the gate doubts r, halved where the file was damaged
    evidence(a) = sum over frames of the largest w(r) among the regions r that overlap region a
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.float64]
"""Rectangles (n, 4): left, top, right, bottom as fractions of the frame."""
Box = tuple[float, float, float, float]
BoxPx = tuple[int, int, int, int]
"""One of them."""
_DAMAGED: Final = 0.5
"""Weight of what is seen in a damaged file: two of 40 such files show smoke that is not there."""


@dataclass(frozen=True, slots=True)
class AlarmPolicy:
    """When smoke becomes an alarm.

    Attributes:
        frames, hits: n and k.
        window_s: Frames captured longer ago than this do not count.
        hold: An alarm lasts until the evidence falls below this share of `hits`.
        cooldown_s: After its end, so long no new alarm is raised at the same place.
        doubted: Weight of a region that the gate doubts, in [0, 1].
        sure: Mean probability from which on a region weighs 1; 0 lets every region weigh 1.
        overlap: Two regions are at one place if their boxes share this much of the smaller one.
        margin: By which boxes are widened on each side before that, as a fraction of the frame.
    """

    frames: int = 5
    hits: float = 3.0
    window_s: float = 900.0
    hold: float = 0.5
    cooldown_s: float = 600.0
    doubted: float = 0.25
    sure: float = 0.5
    overlap: float = 0.25
    margin: float = 0.01


@dataclass(frozen=True, slots=True)
class RegionObservation:
    """A region of smoke: its box (left, top, right, bottom) in fractions of the frame, its mean probability, and if it is doubted.

    `box_px` is the box as the reply gives it: left, top, width and height in pixels of the frame. `damaged`: the frame's file was.
    """

    box: tuple[float, float, float, float]
    confidence: float
    doubted: bool
    box_px: BoxPx = (0, 0, 0, 0)
    damaged: bool = False


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
        """Of any place; 0 where there is none."""
        return float(self.weighed.max(initial=0.0))

    @property
    def most_undoubted(self) -> float:
        """The same without any doubt."""
        return float(self.undoubted.max(initial=0.0))

    @property
    def most_frames(self) -> int:
        """Frames with smoke at the place that most speaks for."""
        return int(self.hits[self.weighed.argmax()]) if len(self.hits) else 0


def weigh(frames: Sequence[Sequence[RegionObservation]], policy: AlarmPolicy) -> Evidence:
    """The evidence at each place of a window; the regions of each frame."""
    seen = [region for frame in frames for region in frame]
    boxes = np.array([region.box for region in seen], np.float64).reshape(-1, 4)
    if not seen:
        return Evidence(boxes, np.zeros(0), np.zeros(0), np.zeros(0, np.int64))
    sure = np.array([_sureness(region.confidence, policy) for region in seen])
    doubt = np.where([region.doubted for region in seen], policy.doubted, 1.0)
    doubt *= np.where([region.damaged for region in seen], _DAMAGED, 1.0)
    near = overlaps(boxes, boxes, policy)
    counts = [len(frame) for frame in frames if frame]
    starts = np.concatenate(([0], np.cumsum(counts)[:-1])).astype(np.intp)

    def by_frame(weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.asarray(np.maximum.reduceat(np.where(near, weights, 0.0), starts, axis=1), np.float64)

    hits = (by_frame(np.ones(len(seen))) > 0).sum(axis=1)
    return Evidence(boxes, by_frame(sure * doubt).sum(axis=1), by_frame(sure).sum(axis=1), hits)


def overlaps(these: Boxes, those: Boxes, policy: AlarmPolicy) -> npt.NDArray[np.bool_]:
    """Which boxes are at one place: (n, m) bool; the boxes (n, 4) and (m, 4) in fractions of the frame."""
    widen = np.array([-policy.margin, -policy.margin, policy.margin, policy.margin])
    a, b = (these + widen)[:, None, :], (those + widen)[None, :, :]
    shared = np.clip(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0.0, None).prod(axis=-1)
    smaller = np.minimum((a[..., 2:] - a[..., :2]).prod(axis=-1), (b[..., 2:] - b[..., :2]).prod(axis=-1))
    return np.asarray(shared >= policy.overlap * smaller)


def merge(places: Sequence[Box], boxes: Boxes, policy: AlarmPolicy) -> list[Box]:
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


def _around(one: Box | npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> Box:
    return (
        float(min(one[0], other[0])),
        float(min(one[1], other[1])),
        float(max(one[2], other[2])),
        float(max(one[3], other[3])),
    )


def _sureness(confidence: float, policy: AlarmPolicy) -> float:
    return min(1.0, confidence / policy.sure) if policy.sure > 0 else 1.0
