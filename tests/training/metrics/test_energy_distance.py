"""The generalised energy distance, on masks whose IoUs are known."""

import numpy as np
import pytest

from training.metrics.energy_distance import generalised_energy_distance

TRUTH = np.zeros((4, 4), bool)
TRUTH[:2] = True
LEFT = np.zeros((4, 4), bool)
LEFT[:2, :2] = True  # half of the truth: IoU 1/2


def test_samples_that_are_the_truth_are_at_no_distance():
    assert generalised_energy_distance(np.stack([TRUTH, TRUTH]), TRUTH) == 0.0


def test_samples_that_are_all_alike_are_at_twice_their_distance():
    assert generalised_energy_distance(np.stack([LEFT] * 3), TRUTH) == pytest.approx(2 * 0.5)


def test_samples_that_differ_about_what_they_get_wrong_are_nearer_than_their_like():
    # Halves of the truth that share nothing: to the truth 1/2 each; to each other 1, to themselves 0.
    halves = np.stack([LEFT, TRUTH & ~LEFT])
    assert generalised_energy_distance(halves, TRUTH) == pytest.approx(2 * 0.5 - 0.5)


def test_two_empty_masks_agree_and_an_empty_sample_is_far_from_smoke():
    empty = np.zeros((1, 4, 4), bool)
    assert generalised_energy_distance(empty, empty[0]) == 0.0
    assert generalised_energy_distance(empty, TRUTH) == 2.0
