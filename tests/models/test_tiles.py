import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.geometry import fit, unfit
from models.manifest import OUTPUTS
from models.maps import SegmentationMaps
from models.tile_layout import VIEWS
from models.tiles import canvas_px, merge, views, worth_tiling
from tests.conftest import closed_form
from tests.pictures import noisy, plain

SIDE = 48
CANVAS = 80


def answers(image: np.ndarray, side: int = SIDE) -> list[SegmentationMaps]:
    return [SegmentationMaps(**closed_form(view)) for view in views(image, side)]


def test_a_tile_shows_three_fifths_of_the_frame_and_the_canvas_has_its_resolution():
    assert canvas_px(480) == 800
    assert canvas_px(SIDE) == CANVAS
    assert canvas_px(32) == 53


@pytest.mark.parametrize(("width", "height"), [(CANVAS, CANVAS), (161, 75), (75, 161), (960, 540)])
def test_the_views_are_the_whole_frame_and_the_corners_of_the_canvas(width, height):
    image = noisy(1, width, height)
    whole, *tiles = views(image, SIDE)
    canvas = fit(image, CANVAS)
    np.testing.assert_array_equal(whole, fit(image, SIDE))
    corners = [canvas[:48, :48], canvas[:48, 32:], canvas[32:, :48], canvas[32:, 32:]]
    np.testing.assert_array_equal(tiles, corners)
    assert len(tiles) + 1 == VIEWS


@pytest.mark.parametrize(
    ("width", "height", "worth"), [(48, 48, False), (32, 40, False), (49, 10, True), (10, 49, True)]
)
def test_a_frame_is_worth_tiling_where_the_square_shrinks_it(width, height, worth):
    assert worth_tiling(width, height, SIDE) is worth


@given(colour=st.tuples(*[st.integers(0, 255)] * 3), width=st.integers(1, 120), height=st.integers(1, 120))
@settings(max_examples=30)
def test_a_frame_of_one_colour_has_maps_of_one_value(colour, width, height):
    image = plain(*colour, width, height)
    merged = merge(answers(image))
    expected = closed_form(plain(*colour, CANVAS, CANVAS))
    for name in OUTPUTS:
        np.testing.assert_allclose(getattr(merged, name), expected[name], atol=1e-6)


def test_certain_smoke_that_the_square_dims_is_shown_by_the_tiles_at_its_place():
    """A dot of one pixel in the canvas: in the square it is .36 of a pixel at most, in its tile a whole one."""
    image = plain(0, 0, 0, CANVAS, CANVAS)
    image[7, 61] = (255, 51, 0)
    merged = merge(answers(image))
    assert fit(image, SIDE)[..., 0].max() / 255 < 0.4
    assert merged.probability[7, 61] == 1.0
    assert merged.total[7, 61] == pytest.approx(0.2 * math.log(2))
    assert np.argwhere(merged.probability >= 0.5).tolist() == [[7, 61]]


@pytest.mark.parametrize(("red", "expected"), [(255, 1.0), (204, 4 / 9), (51, 1 / 21)])
def test_what_a_tile_alone_sees_counts_at_a_fifth_of_its_odds(red, expected):
    whole, *tiles = answers(plain(0, 0, 0))
    tiles[0] = SegmentationMaps(**closed_form(plain(red, 0, 0, SIDE, SIDE)))
    merged = merge([whole, *tiles])
    np.testing.assert_allclose(merged.probability[:32, :32], expected, atol=1e-6)
    assert merged.probability[48:].max() == merged.probability[:, 48:].max() == 0.0


def test_a_tile_gives_way_linearly_towards_its_inner_edge():
    """The blend before the odds are divided: weights 31/32, 29/32, ..., 1/32 over the overlap of 16 pixels."""
    whole, *tiles = answers(plain(0, 0, 0))
    tiles[0] = tiles[2] = SegmentationMaps(**closed_form(plain(255, 255, 0, SIDE, SIDE)))
    weights = np.arange(31, 0, -2) / 32
    merged = merge([whole, *tiles])
    np.testing.assert_allclose(merged.probability[40, 32:48], weights / (5 - 4 * weights), rtol=1e-5)
    np.testing.assert_allclose(merged.epistemic[40, 32:48], weights * math.log(2), rtol=1e-5)


def test_novelty_is_that_of_the_whole_frame():
    whole, *tiles = answers(noisy(3, CANVAS, CANVAS))
    strange = [tile._replace(novelty=9.0) for tile in tiles]
    assert merge([whole._replace(novelty=1.5), *strange]).novelty == 1.5
    assert merge([whole, *tiles]).novelty is None


def test_what_the_whole_frame_shows_is_never_lost():
    image = noisy(3, CANVAS, CANVAS)
    whole, *_ = found = answers(image)
    blind = SegmentationMaps(**closed_form(plain(0, 0, 0, SIDE, SIDE)))
    np.testing.assert_array_equal(merge([whole] + [blind] * 4).probability, unfit(whole.probability, CANVAS, CANVAS))
    assert (merge(found).probability >= unfit(whole.probability, CANVAS, CANVAS)).all()


@given(seed=st.integers(0, 2**16), width=st.integers(1, 200), height=st.integers(1, 200))
@settings(max_examples=30)
def test_total_stays_aleatoric_and_epistemic_in_bounds(seed, width, height):
    merged = merge(answers(noisy(seed, width, height)))
    assert {values.shape for values in merged.maps} == {(CANVAS, CANVAS)}
    assert {values.dtype for values in merged.maps} == {np.dtype(np.float32)}
    np.testing.assert_allclose(merged.total, merged.aleatoric + merged.epistemic, atol=1e-6)
    for values in merged.maps[1:]:
        assert values.min() >= -1e-6
        assert values.max() <= math.log(2) + 1e-6
    assert 0.0 <= merged.probability.min() <= merged.probability.max() <= 1.0
