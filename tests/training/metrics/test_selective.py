"""Leaving out doubtful pixels, where the curve is known."""

import numpy as np
import pytest

from models.maps import SegmentationMaps
from training.metrics.selective import COVERAGE, ORDERS, areas, risk_coverage, squared_error_by_doubt

HALF = np.zeros((10, 10), bool)
HALF[:5] = True


def maps(probability: np.ndarray, doubt: np.ndarray) -> SegmentationMaps:
    return SegmentationMaps(*(np.asarray(values, np.float32) for values in (probability, doubt, doubt, doubt)))


def test_doubt_that_orders_pixels_as_their_errors_do_saves_all_that_can_be_saved():
    # Half of the pixels are wrong by 1 and doubted, the rest right and not: r(c) = 0 up to 1/2, then (c - 1/2) / c.
    sums = squared_error_by_doubt(maps(HALF, 0.5 * HALF), np.zeros((10, 10), bool))
    risk = risk_coverage(sums)["total"]
    assert risk[COVERAGE <= 0.5].max() == pytest.approx(0.0, abs=1e-9)
    assert risk[-1] == pytest.approx(0.5)
    assert risk[749] == pytest.approx(0.25 / 0.75)
    assert areas(sums)["total"]["ause"] == pytest.approx(0.0, abs=1e-9)
    # The integral of (c - 1/2) / c over [1/2, 1] is 1/2 - ln 2 / 2.
    assert areas(sums)["total"]["aurc"] == pytest.approx(0.5 - np.log(2) / 2, abs=1e-3)


def test_doubt_that_says_nothing_keeps_the_risk_where_it_is():
    sums = squared_error_by_doubt(maps(HALF, np.full((10, 10), 0.3)), np.zeros((10, 10), bool))
    assert risk_coverage(sums)["epistemic"] == pytest.approx(np.full(len(COVERAGE), 0.5))


def test_doubt_the_wrong_way_round_leaves_out_what_is_right():
    sums = squared_error_by_doubt(maps(HALF, 0.5 * ~HALF), np.zeros((10, 10), bool))
    assert risk_coverage(sums)["aleatoric"][:500] == pytest.approx(np.ones(500))
    assert areas(sums)["aleatoric"]["ause"] > 0.6


def test_the_risk_of_keeping_everything_is_the_brier_score_whatever_the_order():
    rng = np.random.default_rng(0)
    probability, truth = rng.random((20, 30)).astype(np.float32), rng.random((20, 30)) < 0.3
    risks = risk_coverage(squared_error_by_doubt(maps(probability, rng.random((20, 30))), truth))
    assert set(risks) == set(ORDERS)
    assert {order: risk[-1] for order, risk in risks.items()} == pytest.approx(
        dict.fromkeys(ORDERS, float(((probability - truth) ** 2).mean()))
    )


def test_no_order_saves_more_than_the_oracle():
    rng = np.random.default_rng(1)
    probability, truth = rng.random((40, 40)).astype(np.float32), rng.random((40, 40)) < 0.5
    found = areas(squared_error_by_doubt(maps(probability, rng.random((40, 40)) * 0.6), truth))
    assert all(values["ause"] >= 0.0 for values in found.values())


def test_the_binned_curve_is_that_of_sorted_pixels():
    rng = np.random.default_rng(2)
    doubt = np.exp(rng.uniform(-12, -0.4, (50, 60))).astype(np.float32)
    probability, truth = rng.random((50, 60)).astype(np.float32), rng.random((50, 60)) < 0.5
    risk = risk_coverage(squared_error_by_doubt(maps(probability, doubt), truth))["total"]
    error = ((probability - truth) ** 2).ravel()[np.argsort(doubt.ravel())]
    sorted_risk = error.cumsum() / np.arange(1, error.size + 1)
    kept = (COVERAGE[99:] * error.size).round().astype(int) - 1
    assert risk[99:] == pytest.approx(sorted_risk[kept], abs=5e-3)


def test_sums_of_frames_add_up():
    rng = np.random.default_rng(3)
    probability, truth = rng.random((8, 8)).astype(np.float32), rng.random((8, 8)) < 0.5
    parts = sum(
        squared_error_by_doubt(maps(probability[k : k + 2], probability[k : k + 2]), truth[k : k + 2])
        for k in range(0, 8, 2)
    )
    assert parts == pytest.approx(squared_error_by_doubt(maps(probability, probability), truth))
