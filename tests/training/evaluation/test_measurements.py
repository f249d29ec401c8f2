"""What scores come to: reference histograms, as the manifest takes them."""

from dataclasses import replace

import pytest

from models.drift import DRIFTING, Histogram
from tests.training.evaluation.test_scores import made
from training.evaluation.measurements import reference


def looks(*values: float) -> list:
    return [replace(made("clear"), looks=dict.fromkeys(DRIFTING, value)) for value in values]


def test_each_quantity_has_bins_that_hold_a_tenth_of_the_frames():
    found = reference(looks(*(number / 100 for number in range(100))))
    assert set(found) == set(DRIFTING)
    for histogram in found.values():
        assert Histogram.from_json(histogram).shares == pytest.approx((0.1,) * 10, abs=0.011)
        assert (histogram["edges"][0], histogram["edges"][-1]) == (0.0, 0.99)


@pytest.mark.parametrize("values", [(0.5,), (0.5, 0.5, 0.5), (0.2, 0.7)])
def test_a_few_frames_still_give_a_histogram_that_sums_to_one(values):
    for histogram in reference(looks(*values)).values():
        assert sum(Histogram.from_json(histogram).shares) == pytest.approx(1.0)
