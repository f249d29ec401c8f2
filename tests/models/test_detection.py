"""Detections: means that can be counted by hand, places on frames of any aspect."""

import math

import numpy as np
import pytest

from models.detection import detect
from models.geometry import Box, Region, box_on_frame, regions, unfit
from models.maps import SegmentationMaps


def maps_of(probability: np.ndarray) -> SegmentationMaps:
    total = (probability * np.float32(math.log(2))).astype(np.float32)
    aleatoric = (total * np.float32(0.75)).astype(np.float32)
    return SegmentationMaps(probability=probability, total=total, aleatoric=aleatoric, epistemic=total - aleatoric)


def two_plumes() -> SegmentationMaps:
    """On 20 x 20: four pixels of .5, .5, .7, .7 and a row of ten pixels of .9; .1 elsewhere."""
    probability = np.full((20, 20), 0.1, np.float32)
    probability[2:4, 3:5] = [[0.5, 0.5], [0.7, 0.7]]
    probability[10, 5:15] = 0.9
    return maps_of(probability)


def test_the_means_of_each_region_are_those_of_its_pixels_largest_first():
    row, block = detect(two_plumes(), 0.5, 0.0)
    assert (row.region.area_px, row.area_fraction) == (10, 10 / 400)
    assert (block.region.area_px, block.area_fraction) == (4, 4 / 400)
    assert row.mean_probability == pytest.approx(0.9)
    assert block.mean_probability == pytest.approx(0.6)
    for region in (row, block):
        assert region.total == pytest.approx(region.mean_probability * math.log(2))
        assert region.aleatoric == pytest.approx(0.75 * region.total)
        assert region.epistemic == pytest.approx(0.25 * region.total)


def test_the_means_that_a_gate_weighs_are_named_as_in_the_gate():
    row = detect(two_plumes(), 0.5, 0.0)[0]
    assert row.means == {
        "epistemic": row.epistemic,
        "total": row.total,
        "aleatoric": row.aleatoric,
        "one_minus_probability": pytest.approx(0.1),
    }


def test_a_region_below_the_minimum_is_no_detection():
    assert [found.region.area_px for found in detect(two_plumes(), 0.5, 5 / 400)] == [10]
    assert detect(two_plumes(), 0.95, 0.0) == []


@pytest.mark.parametrize(("least_px", "silent_above"), [(1, 0.7), (2, 0.7), (3, 0.5), (4, 0.5)])
def test_a_region_is_silent_above_what_as_many_of_its_pixels_reach_as_must_count(least_px, silent_above):
    row, block = detect(two_plumes(), 0.4, least_px / 400)
    assert row.silent_above == pytest.approx(0.9)
    assert block.silent_above == pytest.approx(silent_above)
    for threshold, count in ((silent_above - 0.01, 2), (silent_above + 0.01, 1)):
        assert len(detect(two_plumes(), threshold, least_px / 400)) == count


@pytest.mark.parametrize("size", [(480, 480), (1920, 1080), (90, 300), (7, 1000)])
def test_a_box_on_the_frame_holds_what_the_square_says_stretched(size):
    width, height = size
    box = box_on_frame(Region(120, 240, 12, 48, 100, 1), 480, width, height)
    assert box.x <= 120 * width / 480 < box.x + 1
    assert box.y <= 240 * height / 480 < box.y + 1
    assert box.x + box.width - 1 < 132 * width / 480 <= box.x + box.width
    assert box.y + box.height - 1 < 288 * height / 480 <= box.y + box.height


def test_the_whole_square_is_the_whole_frame():
    assert box_on_frame(Region(0, 0, 480, 480, 480 * 480, 1), 480, 1921, 1079) == Box(0, 0, 1921, 1079)


def test_the_box_agrees_with_the_mask_brought_back_to_the_frame():
    mask = np.zeros((32, 32), bool)
    mask[8:12, 20:28] = True
    (found,), _ = regions(mask, 0.0)
    rows, columns = np.nonzero(unfit(mask.astype(np.float32), 160, 64) >= 0.5)
    box = box_on_frame(found, 32, 160, 64)
    assert (box.x, box.y) == (columns.min(), rows.min())
    assert (box.x + box.width, box.y + box.height) == (columns.max() + 1, rows.max() + 1)
