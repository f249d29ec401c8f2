"""What is found on one frame at every threshold, where it is drawn by hand."""

from pathlib import Path

import numpy as np
import pytest

from models.maps import SegmentationMaps
from training.data.frames import Frame
from training.metrics.regions import REGION_LEVELS, match_regions, position

SMOKE, CLOUD, MISSED = np.s_[8:16, 8:16], np.s_[40:48, 40:48], np.s_[56:60, 4:8]
FRAME = Frame(Path("image.png"), Path("mask.png"), "real_smoke", "camera")


@pytest.fixture
def found():
    """Smoke at 0.8 with little doubt, a cloud at 0.6 with much, and a piece of smoke that is not seen."""
    truth = np.zeros((64, 64), bool)
    truth[SMOKE] = truth[MISSED] = True
    probability, total = np.zeros((64, 64), np.float32), np.zeros((64, 64), np.float32)
    probability[SMOKE], total[SMOKE] = 0.8, 0.1
    probability[CLOUD], total[CLOUD] = 0.6, 0.4
    return match_regions(FRAME, SegmentationMaps(probability, total, 0.75 * total, 0.25 * total), truth, 0.001)


def test_regions_carry_the_means_over_their_own_pixels_and_know_whether_they_are_smoke(found):
    right, wrong = sorted(found.at(128), key=lambda region: region.doubt("total"))
    assert (right.true, wrong.true) == (True, False)
    assert (right.frame, right.detection.area_fraction) == (FRAME, 64 / 64**2)
    assert wrong.doubt("one_minus_probability") == pytest.approx(0.4)
    assert wrong.doubt("epistemic") == pytest.approx(0.1)
    assert wrong.doubt("epistemic_share") == pytest.approx(0.25)


def test_a_higher_threshold_leaves_fewer_regions(found):
    assert [len(found.at(level)) for level in (8, 152, 160, 200, 208)] == [2, 2, 1, 1, 0]
    assert len(found.matches) == len(REGION_LEVELS)


def test_each_true_region_is_found_or_not_at_every_threshold(found):
    assert sorted(found.truth_fractions.tolist()) == [16 / 64**2, 64 / 64**2]
    largest = int(found.truth_fractions.argmax())
    assert found.recalled(128)[largest]
    assert found.recalled(128).sum() == 1
    assert found.recalled(208).sum() == 0


def test_a_region_that_is_too_small_reaches_nothing():
    truth = np.zeros((64, 64), bool)
    truth[SMOKE] = True
    maps = SegmentationMaps(truth.astype(np.float32), *(np.zeros((64, 64), np.float32) for _ in range(3)))
    assert match_regions(FRAME, maps, truth, 64 / 64**2).recalled(128).all()
    assert not match_regions(FRAME, maps, truth, 65 / 64**2).recalled(128).any()


def test_one_region_may_reach_two_pieces_of_smoke():
    truth = np.zeros((64, 64), bool)
    truth[8:16, 8:16] = truth[8:16, 20:28] = True
    probability = np.zeros((64, 64), np.float32)
    probability[8:16, 8:28] = 1.0
    nothing = np.zeros((64, 64), np.float32)
    found = match_regions(FRAME, SegmentationMaps(probability, nothing, nothing, nothing), truth, 0.001)
    assert found.recalled(128).tolist() == [True, True]
    assert len(found.at(128)) == 1


def test_without_smoke_nothing_is_to_be_reached_and_every_region_is_false():
    probability = np.ones((8, 8), np.float32)
    found = match_regions(FRAME, SegmentationMaps(*(probability,) * 4), np.zeros((8, 8), bool), 0.001)
    assert found.truth_found.shape == (len(REGION_LEVELS), 0)
    assert [region.true for region in found.at(248)] == [False]


def test_the_position_of_a_level_is_where_it_stands():
    assert [position(int(level)) for level in REGION_LEVELS] == list(range(len(REGION_LEVELS)))
