"""The structure loss where its value is computed by hand."""

import math

import pytest
import torch
import torch.nn.functional as F

from training.losses.structure import edge_weight, structure_loss

# One pixel of smoke in the middle of nine; AP over 3 x 3 inside the image: 1/9 in the middle, 1/6 at edges, 1/4 in corners.
ONE = torch.tensor([[0, 0, 0], [0, 1, 0], [0, 0, 0]], dtype=torch.float64).view(1, 1, 3, 3)
CORNER, EDGE, MIDDLE = 1 + 5 / 4, 1 + 5 / 6, 1 + 5 * 8 / 9


def test_the_weight_is_one_plus_five_times_what_the_neighbours_disagree():
    expected = torch.tensor([[CORNER, EDGE, CORNER], [EDGE, MIDDLE, EDGE], [CORNER, EDGE, CORNER]], dtype=torch.float64)
    assert torch.allclose(edge_weight(ONE, 3, 5.0)[0, 0], expected)


def test_two_pools_along_the_axes_equal_one_over_the_square():
    mask = (torch.rand(2, 1, 40, 53, dtype=torch.float64) > 0.7).double()
    square = F.avg_pool2d(mask, 31, stride=1, padding=15, count_include_pad=False)
    assert torch.allclose(edge_weight(mask, 31, 5.0), 1 + 5 * (square - mask).abs(), atol=1e-12)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_mask_without_an_edge_has_weight_one_up_to_the_border(value):
    assert torch.allclose(edge_weight(torch.full((1, 1, 20, 20), value), 31, 5.0), torch.tensor(1.0))


def test_the_loss_of_undecided_logits_on_nine_pixels_is_as_computed_by_hand():
    # s = 0: p = 1/2 everywhere, so every pixel's cross-entropy is ln 2, and so is their weighted mean.
    outside = 4 * CORNER + 4 * EDGE
    intersection = MIDDLE / 2
    union = MIDDLE + outside / 2
    by_hand = math.log(2) + 1 - (intersection + 1) / (union + 1)
    assert structure_loss(torch.zeros_like(ONE), ONE, pool_px=3).item() == pytest.approx(by_hand, abs=1e-12)


def test_with_beta_squared_as_the_cost_of_missing_the_overlap_ranks_masks_as_f_beta_does():
    # Certain masks, no edges: of 400 pixels, smoke is 40; per mask the overlap, what is too much, what is missed.
    beta_squared = 0.3
    losses, scores = [], []
    for hit, extra in ((40, 60), (20, 0), (30, 10), (40, 10), (5, 0)):
        truth, logits = torch.zeros(400, dtype=torch.float64), torch.full((400,), -60.0, dtype=torch.float64)
        truth[:40] = 1.0
        logits[40 - hit : 40 + extra] = 60.0
        shape = (1, 1, 20, 20)
        flat = structure_loss(logits.view(shape), truth.view(shape), edge_gain=0.0, missed_cost=beta_squared).item()
        cross_entropy = F.binary_cross_entropy_with_logits(logits, truth).item()
        overlap = (hit + 1) / (hit + extra + beta_squared * (40 - hit) + 1)
        assert flat == pytest.approx(cross_entropy + 1 - overlap, abs=1e-9)
        losses.append(1 - overlap)
        scores.append((1 + beta_squared) * hit / (hit + extra + beta_squared * 40))
    assert sorted(range(5), key=losses.__getitem__) == sorted(range(5), key=scores.__getitem__, reverse=True)


@pytest.mark.parametrize("gain", [5.0, 10.0])
def test_the_weight_of_one_wrong_pixel_counts_as_computed_by_hand(gain):
    # All is right and certain but the middle: missed with s = -20. Its weight does not cancel: it is the loss.
    logits = torch.where(ONE > 0, -20.0, -20.0).double()
    weight = edge_weight(ONE, 3, gain)
    missed, everything = float(weight[0, 0, 1, 1]), float(weight.sum())
    by_hand = 20.0 * missed / everything + 1 - 1 / (missed + 1)
    assert structure_loss(logits, ONE, 3, gain).item() == pytest.approx(by_hand, rel=1e-6)


def test_doubling_the_weight_of_one_wrong_pixel_changes_the_loss_as_computed_by_hand(monkeypatch):
    logits = torch.full_like(ONE, -3.0)
    losses = []
    for middle in (1.0, 2.0):
        weight = torch.ones_like(ONE)
        weight[0, 0, 1, 1] = middle
        monkeypatch.setattr("training.losses.structure.edge_weight", lambda *_, weight=weight: weight)
        losses.append(structure_loss(logits, ONE).item())
    p = 1 / (1 + math.exp(3))
    right, wrong = math.log1p(math.exp(-3)), math.log1p(math.exp(3))
    for loss, middle in zip(losses, (1.0, 2.0), strict=True):
        cross_entropy = (8 * right + middle * wrong) / (8 + middle)
        assert loss == pytest.approx(cross_entropy + 1 - (middle * p + 1) / (middle + 8 * p + 1), abs=1e-12)
    assert losses[1] > losses[0]


def test_a_perfect_prediction_costs_nothing():
    logits = torch.where(ONE > 0, 60.0, -60.0).double()
    assert structure_loss(logits, ONE).item() == pytest.approx(0.0, abs=1e-12)


def test_the_loss_of_a_batch_is_the_mean_of_its_images():
    logits, mask = torch.randn(3, 1, 16, 16), (torch.rand(3, 1, 16, 16) > 0.5).float()
    alone = [structure_loss(logits[k : k + 1], mask[k : k + 1]) for k in range(3)]
    assert structure_loss(logits, mask).item() == pytest.approx(torch.stack(alone).mean().item(), rel=1e-6)


def test_the_slope_is_that_of_finite_differences():
    logits = torch.randn(2, 1, 5, 5, dtype=torch.float64, requires_grad=True)
    mask = (torch.rand(2, 1, 5, 5) > 0.5).double()
    assert torch.autograd.gradcheck(lambda s: structure_loss(s, mask, 3), logits)


def test_huge_logits_cost_much_and_stay_finite():
    mask = (torch.rand(1, 1, 16, 16) > 0.5).float()
    logits = (1e4 * (1 - 2 * mask)).requires_grad_()
    loss = structure_loss(logits, mask)
    loss.backward()
    assert 1e3 < loss.item() < math.inf
    assert torch.isfinite(logits.grad).all()


def test_what_is_not_known_counts_in_neither_term():
    logits, mask = torch.randn(2, 1, 12, 12), (torch.rand(2, 1, 12, 12) > 0.5).float()
    known = torch.ones_like(mask)
    known[:, :, 3:7] = 0.0
    other = torch.where(known > 0, logits, torch.randn_like(logits) * 9.0)
    assert structure_loss(logits, mask, known=known).item() == pytest.approx(
        structure_loss(other, mask, known=known).item()
    )
    assert structure_loss(logits, mask, known=torch.ones_like(mask)).item() == pytest.approx(
        structure_loss(logits, mask).item()
    )
    assert torch.isfinite(structure_loss(logits, mask, known=torch.zeros_like(mask)))


def test_a_pixel_is_at_an_edge_by_those_of_its_neighbours_that_are_known():
    mask, known = torch.zeros(1, 1, 9, 9), torch.zeros(1, 1, 9, 9)
    mask[..., 4, 3:6], known[..., 4, 3:6] = 1.0, 1.0
    # A stroke among unknown pixels is inside of smoke, as far as is known. With two pixels of background near, two of five disagree.
    assert edge_weight(mask, 5, 5.0, known)[0, 0, 4, 4].item() == pytest.approx(1.0)
    known[..., 6, 3:5] = 1.0
    assert edge_weight(mask, 5, 5.0, known)[0, 0, 4, 4].item() == pytest.approx(1.0 + 5.0 * 2 / 5)
