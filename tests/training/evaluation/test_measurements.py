"""What scores come to: reference histograms and the limit of novelty, as the manifest takes them."""

from dataclasses import replace

import pytest

from models.drift import DRIFTING, Histogram
from tests.training.evaluation.test_scores import made
from training.evaluation.measurements import novelty, reference


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


def test_a_model_that_tells_no_novelty_has_no_reference_of_it():
    silent = [replace(made("clear"), looks={"brightness": 0.5, "contrast": 0.1, "epistemic": 0.0})]
    assert set(reference(silent)) == set(DRIFTING) - {"novelty"}
    assert novelty(silent) is None


def test_a_twentieth_of_the_frames_is_beyond_the_limit_of_novelty():
    found = novelty(
        [replace(score, frame=replace(score.frame, group=str(n))) for n, score in enumerate(looks(*range(1, 101)))]
    )
    assert found == {"median": 50, "limit": 95, "share": 0.05}


def test_a_camera_of_many_frames_moves_the_limit_of_novelty_no_more_than_one_of_few():
    many = [replace(score, frame=replace(score.frame, group="many")) for score in looks(*[9.0] * 500)]
    others = [
        replace(score, frame=replace(score.frame, group=str(n))) for n, score in enumerate(looks(*range(100, 199)))
    ]
    assert novelty([*many, *others])["limit"] == 193
