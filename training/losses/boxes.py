"""What a box says: somewhere in it there is smoke, over most of its columns and most of its rows."""

import torch
from torch import Tensor

_COVERED = 0.7
"""Share of a box's columns, and of its rows, in which smoke is expected: boxes of thin smoke are loose."""
_LEAST = 1e-4


def box_projection_loss(logits: Tensor, mask: Tensor, known: Tensor) -> Tensor:
    """Mean over views of how far the smoke in the unknown pixels falls short of filling their columns and rows.

        P_x = sum_x max_y(p u) / sum_x max_y(u),   L = sum over both axes of max(0, log(c / P)) / 2

    with p = sigmoid(s), u = 1 - known and c = 0.7. A view whose pixels are all known falls short of nothing; nor does one of whose
    smoke some is known, which has scribbles: they say nothing of what lies beside them.

    Args:
        logits: s, (batch, 1, h, w).
        mask: (batch, 1, h, w), 1.0 where smoke is known.
        known: (batch, 1, h, w) of 0.0 and 1.0; 0.0 in and near the boxes.

    Returns:
        Scalar >= 0; 0 where no view has a box. Source: Tian et al. 2021, «BoxInst», eq. 2. Departs: the logarithm of a share with a
        hinge instead of Dice, because a loose box is not filled, and because the gradient stays where p is small.
    """
    unknown = 1.0 - known
    boxed = (unknown.amax((1, 2, 3)) > 0) & (mask.amax((1, 2, 3)) == 0)
    if not boxed.any():
        return logits.new_zeros(())
    smoke, unknown = torch.sigmoid(logits[boxed]) * unknown[boxed], unknown[boxed]
    short = [torch.relu(torch.log(_COVERED / _filled(smoke, unknown, axis).clamp(min=_LEAST))) for axis in (2, 3)]
    return sum(short, logits.new_zeros(())).sum() / (2.0 * len(logits))


def _filled(smoke: Tensor, unknown: Tensor, axis: int) -> Tensor:
    """P of one axis, (views,): the share of the unknown columns, or rows, that hold smoke."""
    return smoke.amax(axis).sum((1, 2)) / unknown.amax(axis).sum((1, 2))
