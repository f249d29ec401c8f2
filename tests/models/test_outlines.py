"""Polygons enclose the pixels of a mask and no others, whatever its shape."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from shapely import Polygon, contains_xy, unary_union

from models.outlines import polygons
from tests.cpu_time import least_cpu_s

MASKS = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12), elements=st.booleans())


def pixels_inside(shapes: list[Polygon], height: int, width: int) -> np.ndarray:
    """The pixels whose middles lie in the shapes, as shapely sees it."""
    row, column = np.mgrid[:height, :width] + 0.5
    return contains_xy(unary_union(shapes), column, row)


@given(mask=MASKS)
def test_polygons_enclose_the_pixels_of_the_mask_and_no_others(mask):
    shapes = [Polygon(outer, holes) for outer, *holes in polygons(mask)]
    assert all(shape.is_valid for shape in shapes)
    assert sum(shape.area for shape in shapes) == mask.sum()
    np.testing.assert_array_equal(pixels_inside(shapes, *mask.shape), mask)


@given(mask=MASKS)
def test_every_point_is_a_corner(mask):
    for ring in (ring for polygon in polygons(mask) for ring in polygon):
        before, after = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
        assert ((before * after).sum(axis=1) == 0).all()


def test_a_pixel_is_a_square_and_a_hole_is_a_ring_of_its_own():
    ((square,),) = polygons(np.ones((1, 1), bool))
    assert sorted(map(tuple, square)) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    mask = np.ones((5, 7), bool)
    mask[2, 3] = False
    ((outer, hole),) = polygons(mask)
    assert sorted(map(tuple, outer)) == [(0, 0), (0, 5), (7, 0), (7, 5)]
    assert sorted(map(tuple, hole)) == [(3, 2), (3, 3), (4, 2), (4, 3)]


def seconds_a_corner(mask: np.ndarray) -> float:
    corners = sum(len(ring) for polygon in polygons(mask) for ring in polygon)
    return least_cpu_s(lambda: list(polygons(mask))) / corners


def test_a_mask_in_thousands_of_pieces_takes_no_longer_than_its_corners_do():
    """Traced one by one, the 115,200 pieces of a checkerboard took seconds."""
    row, column = np.mgrid[:240, :240]
    checkerboard = (row + column) % 2 == 0
    combs = (row % 3 == 0) | ((row % 3 == 1) & (column % 2 == 0))
    assert len(list(polygons(checkerboard))) == 28_800
    assert seconds_a_corner(checkerboard) < 10 * seconds_a_corner(combs)
