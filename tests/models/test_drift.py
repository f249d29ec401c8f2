"""Reference histograms and the population stability index, against sums done by hand."""

import math

import numpy as np
import pytest

from models.drift import Histogram, HistogramError, bins, psi, thumbnail


def test_values_outside_the_edges_count_in_the_outer_bins():
    assert bins([-5.0, 0.0, 0.99, 1.0, 1.5, 2.0, 99.0], [0.0, 1.0, 2.0]).tolist() == [0, 0, 0, 1, 1, 1, 1]


def test_shares_are_counts_over_their_sum():
    assert Histogram.of([0.1, 0.2, 0.9, 0.4], [0.0, 0.5, 1.0]) == Histogram((0.0, 0.5, 1.0), (0.75, 0.25))


def test_the_same_distribution_has_not_drifted():
    assert psi([0.25, 0.75], [0.25, 0.75]) == 0.0


def test_the_index_is_the_sum_of_differences_times_log_ratios_either_way_round():
    by_hand = (0.5 - 0.25) * math.log(0.5 / 0.25) + (0.5 - 0.75) * math.log(0.5 / 0.75)
    assert psi([0.5, 0.5], [0.25, 0.75]) == pytest.approx(by_hand)
    assert psi([0.25, 0.75], [0.5, 0.5]) == pytest.approx(by_hand)


def test_an_empty_bin_makes_a_large_index_and_not_an_infinite_one():
    assert psi([1.0, 0.0], [0.0, 1.0]) == pytest.approx(2 * (1 - 1e-4) * math.log(1e4))


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ([0.5], "expected an object with the keys edges and shares"),
        ({"edges": [0, 1, 2]}, "expected an object with the keys edges and shares"),
        ({"edges": 3, "shares": [1]}, "expected lists of numbers"),
        ({"edges": [0, 1], "shares": [1]}, "expected at least three rising numbers"),
        ({"edges": [0, 1, 1], "shares": [0.5, 0.5]}, "expected at least three rising numbers"),
        ({"edges": [0, "1", 2], "shares": [0.5, 0.5]}, "expected at least three rising numbers"),
        ({"edges": [0, 1, math.inf], "shares": [0.5, 0.5]}, "expected at least three rising numbers"),
        ({"edges": [0, 1, 2], "shares": [1.0]}, "found 1 shares, expected one for each of 2 bins"),
        ({"edges": [0, 1, 2], "shares": [0.5, 0.4]}, "expected numbers from 0 on that sum to 1"),
        ({"edges": [0, 1, 2], "shares": [1.5, -0.5]}, "expected numbers from 0 on that sum to 1"),
    ],
)
def test_a_histogram_that_cannot_be_is_refused_in_words(raw, words):
    with pytest.raises(HistogramError, match=words):
        Histogram.from_json(raw)


def test_a_thumbnail_averages_what_it_shrinks():
    checks = np.zeros((320, 320, 3), np.uint8)
    checks[::2, ::2] = checks[1::2, 1::2] = 200
    small = thumbnail(checks)
    assert (small.shape, small.dtype) == ((160, 160), np.uint8)
    assert (small == 100).all()
