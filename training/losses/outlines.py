"""Which other outlines a plume could have been given: what z has to explain."""

import torch
import torch.nn.functional as F
from torch import Tensor


def move_outlines(mask: Tensor, known: Tensor, drawn: Tensor, spread: float) -> Tensor:
    """The masks with the outline of smoke moved outwards or inwards, each by a draw of its own.

        r = round(spread * |e| * w),   w = 2 area / perimeter,   y' = max of y over 2 r + 1 pixels, or min where e < 0

    so that a disc of radius w gets the radius (1 + spread * e) w; r is at most an eighth of the view. Which of the outlines that people
    might have drawn a frame was given is nothing that the frame tells: a generator that sees e in z learns what varies, and its mean
    over z leaves open what they would.

    Args:
        mask: y, (batch, 1, h, w) of 0.0 and 1.0.
        known: The same shape; views of which some is not known, with boxes or scribbles, stay as they are.
        drawn: e, (batch,), of a standard normal.
        spread: Half widths of the plume a standard deviation.

    Returns:
        (batch, 1, h, w). Smoke that would shrink to nothing stays as it is.
    """
    moved = [_move(*view, spread) for view in zip(mask, known, drawn, strict=True)]
    return torch.stack(moved)


def _move(mask: Tensor, known: Tensor, drawn: Tensor, spread: float) -> Tensor:
    """One view, (1, h, w)."""
    perimeter = float((mask - _shrunk(mask, 1)).sum())
    if not perimeter or known.min() < 1.0:
        return mask
    radius = min(round(spread * abs(float(drawn)) * 2.0 * float(mask.sum()) / perimeter), min(mask.shape[1:]) // 8)
    if radius == 0:
        return mask
    if drawn > 0:
        return _grown(mask, radius)
    smaller = _shrunk(mask, radius)
    return smaller if smaller.any() else mask


def _grown(mask: Tensor, radius: int) -> Tensor:
    """The largest of (2 radius + 1) x (2 radius + 1) pixels, of (1, h, w)."""
    rows = F.max_pool2d(mask, (2 * radius + 1, 1), stride=1, padding=(radius, 0))
    return F.max_pool2d(rows, (1, 2 * radius + 1), stride=1, padding=(0, radius))


def _shrunk(mask: Tensor, radius: int) -> Tensor:
    return 1.0 - _grown(1.0 - mask, radius)
