"""The weighted structure loss: cross-entropy and overlap, both heavier near the edges of smoke (eq. 4)."""

import torch
import torch.nn.functional as F
from torch import Tensor


def edge_weight(mask: Tensor, pool_px: int, edge_gain: float, known: Tensor | None = None) -> Tensor:
    """w = 1 + gain * |AP(y) - y|, at least 1 and largest where few neighbours agree with a pixel.

    Args:
        mask: y, (batch, 1, h, w) of 0.0 and 1.0.
        pool_px: Odd side of the average pool AP (paper's code: 31). It runs as two one-dimensional pools, which is the same and fast.
        edge_gain: 5 in the paper.
        known: The same shape, 1.0 where y is known: only such neighbours are asked. None: all.

    Returns:
        (batch, 1, h, w). Departs: the pool averages over pixels inside the image, because zeros around it would make edges of borders.
    """
    pooled = _pooled(mask, pool_px)
    if known is not None:
        pooled = _pooled(mask * known, pool_px) / _pooled(known, pool_px).clamp(min=1e-6)
    return 1.0 + edge_gain * (pooled - mask).abs()


def structure_loss(
    logits: Tensor,
    mask: Tensor,
    pool_px: int = 31,
    edge_gain: float = 5.0,
    missed_cost: float = 1.0,
    known: Tensor | None = None,
) -> Tensor:
    """L_bnn = w * L_ce + L_iou with the weights w in both terms, averaged over the batch.

        L_ce  = sum(w * ce(s, y)) / sum(w)
        L_iou = 1 - (sum(w p y) + 1) / (sum(w (p + c (1 - p) y)) + 1),   p = sigmoid(s)

    Args:
        logits: s, (batch, 1, h, w).
        mask: y, the same shape, of 0.0 and 1.0.
        pool_px, edge_gain: See `edge_weight`.
        missed_cost: c, what a missed pixel costs beside a pixel too much. With 1 it is the paper's IoU; with beta^2 it ranks masks as
            F-beta does: with I / (I + P + beta^2 N) rises (1 + beta^2) I / ((1 + beta^2) I + P + beta^2 N), for the overlap I, P too
            much and N missed.
        known: The same shape, 1.0 where the mask says the truth; other pixels count in neither term (partial cross-entropy, Tang et
            al. 2018, «Normalized Cut Loss for Weakly-Supervised CNN Segmentation», eq. 1). None: everywhere.

    Returns:
        Scalar >= 0. Source: Yan et al. 2022, eq. 4; Wei, Wang and Huang 2019, eq. 3-5; Salehi et al. 2017, «Tversky loss», eq. 3.
    """
    weight = edge_weight(mask, pool_px, edge_gain, known)
    if known is not None:
        weight = weight * known
    cross_entropy = F.binary_cross_entropy_with_logits(logits, mask, reduction="none")
    weighted = (weight * cross_entropy).sum((1, 2, 3)) / weight.sum((1, 2, 3)).clamp(min=1.0)
    return (weighted + _overlap_loss(torch.sigmoid(logits), mask, weight, missed_cost)).mean()


def _pooled(values: Tensor, pool_px: int) -> Tensor:
    half = pool_px // 2
    rows = F.avg_pool2d(values, (pool_px, 1), stride=1, padding=(half, 0), count_include_pad=False)
    return F.avg_pool2d(rows, (1, pool_px), stride=1, padding=(0, half), count_include_pad=False)


def _overlap_loss(probability: Tensor, mask: Tensor, weight: Tensor, missed_cost: float) -> Tensor:
    overlap = (weight * probability * mask).sum((1, 2, 3))
    union = (weight * (probability + missed_cost * (1.0 - probability) * mask)).sum((1, 2, 3))
    return 1.0 - (overlap + 1.0) / (union + 1.0)
