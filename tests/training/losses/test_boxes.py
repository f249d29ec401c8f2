"""Projections of boxes, from smoke whose columns and rows can be counted."""

import math

import pytest
import torch

from training.losses import boxes

SURE = 50.0


def box_projection_loss(logits: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Of views without smoke that is known by the pixel."""
    return boxes.box_projection_loss(logits, torch.zeros_like(known), known)


def box(batch: int = 1) -> torch.Tensor:
    """Known everywhere but in a box of 10 x 10."""
    known = torch.ones(batch, 1, 20, 20)
    known[:, :, 5:15, 5:15] = 0.0
    return known


def smoke(rows: slice, columns: slice) -> torch.Tensor:
    logits = torch.full((1, 1, 20, 20), -SURE)
    logits[:, :, rows, columns] = SURE
    return logits


def test_a_diagonal_that_fills_all_columns_and_rows_costs_nothing():
    logits = torch.where(torch.eye(20) > 0, SURE, -SURE)[None, None]
    assert box_projection_loss(logits, box()).item() == 0.0


def test_seven_columns_and_rows_of_ten_are_enough():
    assert box_projection_loss(smoke(slice(5, 12), slice(6, 13)), box()).item() == pytest.approx(0.0, abs=1e-6)


def test_a_pixel_alone_falls_short_by_a_factor_of_seven():
    assert box_projection_loss(smoke(slice(9, 10), slice(9, 10)), box()).item() == pytest.approx(
        math.log(7.0), rel=1e-5
    )


def test_smoke_outside_of_the_box_is_none_of_its_business():
    assert box_projection_loss(smoke(slice(0, 4), slice(0, 20)), box()).item() == pytest.approx(math.log(0.7 / 1e-4))


def test_a_view_without_a_box_falls_short_of_nothing():
    both = torch.cat([box(), torch.ones(1, 1, 20, 20)])
    logits = torch.randn(2, 1, 20, 20) - 3.0
    assert box_projection_loss(logits, both).item() == pytest.approx(box_projection_loss(logits[:1], box()).item() / 2)
    assert box_projection_loss(logits, torch.ones(2, 1, 20, 20)).item() == 0.0


def test_the_gradient_lifts_smoke_in_the_box_however_little_there_is():
    logits = torch.full((1, 1, 20, 20), -8.0, requires_grad=True)
    box_projection_loss(logits, box()).backward()
    assert logits.grad is not None
    assert logits.grad[0, 0, 5:15, 5:15].sum() < -0.5
    assert not logits.grad[0, 0, :5].any()


def test_scribbles_ask_for_no_smoke_beside_them():
    mask = torch.zeros(2, 1, 20, 20)
    mask[1, :, 2:4, 2:4] = 1.0
    logits = torch.full((2, 1, 20, 20), -8.0)
    one, both = box_projection_loss(logits[:1], box()), boxes.box_projection_loss(logits, mask, box(2))
    assert both.item() == pytest.approx(one.item() / 2)
    assert one.item() > 1.0
