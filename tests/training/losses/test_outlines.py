"""Outlines that move with a draw: by how much, and what stays as it is."""

import pytest
import torch

from training.losses.outlines import move_outlines


def disc(radius: float) -> torch.Tensor:
    """(1, 1, 121, 121), a disc in the middle."""
    axis = torch.arange(121.0) - 60.0
    return (axis[:, None] ** 2 + axis**2 <= radius**2).float()[None, None]


def moved(mask: torch.Tensor, drawn: float, known: torch.Tensor | None = None) -> torch.Tensor:
    return move_outlines(mask, torch.ones_like(mask) if known is None else known, torch.tensor([drawn]), 0.2)


@pytest.mark.parametrize(("drawn", "width"), [(1.0, 61 + 2 * 6), (-1.0, 61 - 2 * 6), (1.5, 61 + 2 * 9), (0.1, 61 + 2)])
def test_a_disc_of_30_px_moves_by_about_6_px_a_standard_deviation(drawn, width):
    found = moved(disc(30.0), drawn)
    assert found.amax(2).sum() == pytest.approx(width, abs=4)
    assert set(found.unique().tolist()) == {0.0, 1.0}


def test_each_view_moves_by_its_own_draw():
    both = torch.cat([disc(30.0), disc(30.0)])
    found = move_outlines(both, torch.ones_like(both), torch.tensor([1.0, -1.0]), 0.2)
    assert found[0].sum() > both[0].sum() > found[1].sum()


@pytest.mark.parametrize(
    "mask", [torch.zeros(1, 1, 40, 40), torch.ones(1, 1, 40, 40)], ids=["no smoke", "smoke everywhere"]
)
@pytest.mark.parametrize("drawn", [-3.0, 3.0])
def test_where_there_is_no_outline_nothing_moves(mask, drawn):
    assert torch.equal(moved(mask, drawn), mask)


def test_a_plume_is_never_shrunk_to_nothing():
    line = torch.zeros(1, 1, 60, 60)
    line[:, :, 30:32, 5:55] = 1.0
    assert torch.equal(moved(line, -8.0), line)


def test_a_view_of_which_some_is_not_known_stays_as_it_is():
    known = torch.ones(1, 1, 121, 121)
    known[0, 0, 5, 5] = 0.0
    assert torch.equal(moved(disc(30.0), 1.0, known), disc(30.0))


def test_smoke_that_reaches_the_border_does_not_leave_it():
    mask = torch.zeros(1, 1, 80, 80)
    mask[:, :, :, :30] = 1.0
    assert moved(mask, -1.0)[0, 0, :, 0].all()
