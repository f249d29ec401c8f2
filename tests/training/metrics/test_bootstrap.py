"""Intervals over camera groups, where they are known."""

import math

import numpy as np
import pytest

from training.metrics.bootstrap import by_group, interval, mean_interval


def test_items_are_kept_by_group():
    assert by_group([("b", 1), ("a", 2), ("b", 3)]) == {"a": [2], "b": [1, 3]}


def test_whole_cameras_are_drawn():
    # One camera has ones, one has zeros: a resample holds either or both, so the mean runs from 0 to 1.
    assert mean_interval({"a": [1.0] * 5, "b": [0.0] * 50}) == [0.0, 1.0]


def test_a_mean_that_is_the_same_everywhere_has_no_width():
    assert mean_interval({"a": [0.5], "b": [0.5, 0.5]}) == [0.5, 0.5]


def test_the_quick_interval_of_a_mean_is_that_of_the_general_one():
    rng = np.random.default_rng(0)
    groups = {name: rng.random(int(rng.integers(1, 9))).tolist() for name in "abcdefg"}
    assert mean_interval(groups) == pytest.approx(interval(groups, lambda items: float(np.mean(items))))


def test_many_equal_groups_give_the_interval_of_the_normal_distribution():
    rng = np.random.default_rng(1)
    groups = {str(number): [value] for number, value in enumerate(rng.normal(0.0, 1.0, 400).tolist())}
    low, high = mean_interval(groups)
    assert high - low == pytest.approx(2 * 1.96 / math.sqrt(400), rel=0.12)


def test_nothing_has_no_interval():
    assert all(math.isnan(end) for end in (*mean_interval({}), *interval({}, lambda _: 1.0)))


def test_resamples_that_give_no_number_are_left_out():
    found = interval({"a": [1], "b": [2]}, lambda items: 7.0 if 1 in items else float("nan"))
    assert found == [7.0, 7.0]
