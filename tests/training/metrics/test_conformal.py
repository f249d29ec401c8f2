"""Bounds on a rate: known where they have a closed form, true on draws, and never rising with the threshold."""

import numpy as np
import pytest
from scipy.stats import binom

from training.metrics.conformal import RatePoint, p_value, rate_curve, upper_bound


@pytest.mark.parametrize("groups", [30, 110, 500])
def test_without_an_alarm_the_bound_is_that_of_luck_alone(groups):
    # (1 - alpha)^n = .05: so many groups of a rate alpha raise no alarm one time in twenty.
    assert upper_bound(0.0, groups) == pytest.approx(1.0 - 0.05 ** (1.0 / groups), abs=1e-5)


def test_the_p_value_at_the_bound_is_what_the_confidence_leaves():
    bound = upper_bound(0.04, 100)
    assert p_value(0.04, 100, bound) == pytest.approx(0.05, abs=1e-3)
    assert p_value(0.04, 100, bound - 0.01) > 0.05


def test_it_is_the_smaller_of_hoeffding_and_bentkus():
    divergence = 0.02 * np.log(0.02 / 0.2) + 0.98 * np.log(0.98 / 0.8)
    assert p_value(0.02, 50, 0.2) == pytest.approx(np.exp(-50 * divergence))  # Bentkus: 9 % more
    assert p_value(0.3, 50, 0.5) == pytest.approx(np.e * binom.cdf(15, 50, 0.5))  # half of Hoeffding's


def test_the_bound_holds_on_at_least_as_many_draws_as_it_says():
    rng, rate, groups = np.random.default_rng(1), 0.06, 80
    drawn = rng.binomial(groups, rate, 400) / groups
    held = np.mean([rate <= upper_bound(float(found), groups) for found in drawn])
    assert held >= 0.95


def test_a_group_counts_once_however_many_frames_it_has():
    (point,) = rate_curve({0.5: [("a", True), ("a", False), ("a", False), ("a", False), ("b", True)]})
    assert (point.rate, point.upper_bound) == (0.625, upper_bound(0.625, 2))


def test_bounds_never_rise_with_the_threshold_and_the_lowest_comes_first():
    groups = [str(number) for number in range(40)]
    # By chance more alarms at .8 than at .5: the bound at .5 must not be better than that at .8.
    alarms = {0.2: 8, 0.5: 1, 0.8: 3, 0.9: 0}
    curve = rate_curve({t: [(g, number < count) for number, g in enumerate(groups)] for t, count in alarms.items()})
    assert [point.threshold for point in curve] == [0.2, 0.5, 0.8, 0.9]
    bounds = [point.upper_bound for point in curve]
    assert bounds == sorted(bounds, reverse=True)
    assert curve[1].upper_bound == curve[2].upper_bound
    assert curve[3] == RatePoint(0.9, 0.0, upper_bound(0.0, 40))
