"""The one geometry: what squashing keeps, what comes back, and which regions count."""

import numpy as np
import pytest

from models.geometry import fit, fit_map, regions, unfit
from tests.pictures import noisy, plain


def test_a_frame_of_the_models_size_is_the_same_frame():
    frame = noisy(1, 48, 48)
    assert fit(frame, 48) is frame


@pytest.mark.parametrize("size", [(96, 64), (33, 97), (480, 31), (20, 10)])
def test_a_plain_frame_stays_plain_whatever_its_aspect(size):
    width, height = size
    fitted = fit(plain(10, 200, 90, width, height), 32)
    assert fitted.shape == (32, 32, 3)
    assert fitted.dtype == np.uint8
    assert (fitted == (10, 200, 90)).all()


def test_shrinking_by_a_whole_number_is_the_mean_of_each_block():
    values = np.random.default_rng(0).random((32, 64)).astype(np.float32)
    blocks = values.reshape(16, 2, 16, 4).mean(axis=(1, 3))
    assert fit_map(values, 16) == pytest.approx(blocks, abs=1e-6)


def test_a_plume_of_one_pixel_is_dimmed_and_not_dropped():
    for column in range(8):
        values = np.zeros((8, 8), np.float32)
        values[3, column] = 1.0
        assert fit_map(values, 2).sum() == pytest.approx(1 / 16)


def test_image_and_mask_are_squashed_with_the_same_weights():
    mask = (np.random.default_rng(3).random((50, 70)) < 0.3).astype(np.float32)
    image = np.repeat((mask * 255).astype(np.uint8)[..., None], 3, axis=2)
    assert fit(image, 24)[..., 0] == pytest.approx(fit_map(mask, 24) * 255, abs=1.0)


@pytest.mark.parametrize("half", [np.s_[:, :40], np.s_[:20, :]], ids=["left", "upper"])
def test_left_and_upper_stay_left_and_upper_there_and_back(half):
    values = np.zeros((40, 80), np.float32)
    values[half] = 1.0
    back = unfit(fit_map(values, 20), 80, 40)
    assert back.shape == (40, 80)
    assert ((back >= 0.5) == (values >= 0.5)).all()


def test_a_frame_that_shrinks_one_way_and_grows_the_other_drops_no_column_either():
    for column in range(64):
        values = np.zeros((4, 64), np.float32)
        values[:, column] = 1.0
        assert fit_map(values, 8).sum() == pytest.approx(8 / 8)


def test_a_map_keeps_its_range_on_the_way_back():
    values = np.random.default_rng(5).random((16, 16)).astype(np.float32)
    back = unfit(values, 131, 57)
    assert back.shape == (57, 131)
    assert values.min() <= back.min() <= back.max() <= values.max()


def test_regions_come_largest_first_with_their_box_and_label():
    mask = np.zeros((20, 30), bool)
    mask[2:4, 3:8] = True
    mask[10:16, 20:29] = True
    found, labels = regions(mask, 0.0)
    assert [(r.left, r.top, r.width, r.height, r.area_px) for r in found] == [(20, 10, 9, 6, 54), (3, 2, 5, 2, 10)]
    assert [int((labels == region.label).sum()) for region in found] == [54, 10]


def test_pixels_that_touch_at_a_corner_are_one_region():
    mask = np.eye(5, dtype=bool)
    found, _ = regions(mask, 0.0)
    assert [region.area_px for region in found] == [5]


def test_a_region_counts_from_exactly_the_smallest_area_on():
    mask = np.zeros((10, 10), bool)
    mask[0, :4] = True
    assert len(regions(mask, 0.04)[0]) == 1
    assert regions(mask, 0.0401)[0] == []


def test_every_region_is_found_where_there_are_more_than_16_bits_count():
    mask = np.zeros((516, 516), bool)
    mask[::2, ::2] = True
    found, labels = regions(mask, 0.0)
    assert len(found) == labels.max() == 258 * 258
    assert {region.area_px for region in found} == {1}


def test_an_empty_mask_has_no_region_even_where_any_size_counts():
    found, labels = regions(np.zeros((6, 7), bool), 0.0)
    assert found == []
    assert (labels == 0).all()
