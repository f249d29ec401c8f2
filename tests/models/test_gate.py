"""The gate: a weighted sum and a limit, nothing else."""

import math

import pytest

from models.gate import QUANTITIES, Gate, GateError

MEANS = {"epistemic": 0.25, "total": 0.5, "aleatoric": 0.25, "one_minus_probability": 0.125}


def test_the_score_is_the_weighted_sum_of_the_means():
    assert Gate({"epistemic": 2.0, "one_minus_probability": -4.0}, 1.0).score(MEANS) == 2 * 0.25 - 4 * 0.125
    assert Gate(dict.fromkeys(QUANTITIES, 1.0), 1.0).score(MEANS) == sum(MEANS.values())


def test_a_region_at_the_limit_is_doubted_and_one_just_below_is_not():
    assert Gate({"total": 1.0}, 0.5).doubts(MEANS)
    assert not Gate({"total": 1.0}, math.nextafter(0.5, 1)).doubts(MEANS)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (None, "found gate None, expected an object with the keys weights and limit"),
        ({"weights": {"total": 1}}, "expected an object with the keys weights and limit"),
        ({"weights": {"total": 1}, "limit": 1, "colour": "red"}, "expected an object with the keys"),
        ({"weights": {}, "limit": 1}, r"found gate weights \{\}, expected some of epistemic"),
        ({"weights": {"mint": 1}, "limit": 1}, "mint.*expected some of epistemic"),
        ({"weights": [1], "limit": 1}, "expected some of epistemic"),
        ({"weights": {"total": "1"}, "limit": 1}, "found gate total '1', expected a finite number"),
        ({"weights": {"total": True}, "limit": 1}, "found gate total True"),
        ({"weights": {"total": math.nan}, "limit": 1}, "found gate total nan"),
        ({"weights": {"total": 1}, "limit": math.inf}, "found gate limit inf, expected a finite number"),
    ],
)
def test_a_gate_that_cannot_be_is_refused_in_words(raw, words):
    with pytest.raises(GateError, match=words):
        Gate.from_json(raw)
