"""Rates at the steps where they are known."""

import pytest

from training.schedule import learning_rate_factor, linear_warmup


def test_the_rate_rises_linearly_to_one_at_the_end_of_the_warm_up():
    assert [learning_rate_factor(step, 100, 4, 0.1) for step in range(5)] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])


def test_half_way_through_the_cosine_the_rate_is_half_way():
    assert learning_rate_factor(60, 100, 20, 0.2) == pytest.approx(0.6)


def test_the_rate_ends_at_the_final_fraction_and_stays_there():
    assert learning_rate_factor(100, 100, 20, 0.05) == pytest.approx(0.05)
    assert learning_rate_factor(10_000, 100, 20, 0.05) == pytest.approx(0.05)


def test_after_the_warm_up_the_rate_only_falls():
    rates = [learning_rate_factor(step, 200, 10, 0.01) for step in range(10, 200)]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == 1.0


def test_no_warm_up_starts_at_the_full_rate():
    assert learning_rate_factor(0, 10, 0, 0.0) == 1.0


def test_a_run_shorter_than_its_warm_up_is_no_trouble():
    assert [learning_rate_factor(step, 2, 10, 0.1) for step in range(2)] == pytest.approx([0.1, 0.2])


def test_annealing_goes_from_zero_to_one():
    assert [linear_warmup(step, 4) for step in (0, 1, 4, 9)] == [0.0, 0.25, 1.0, 1.0]
    assert linear_warmup(0, 0) == 1.0
