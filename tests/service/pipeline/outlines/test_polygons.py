import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from shapely import Polygon, contains_xy, unary_union

from models.maps import SegmentationMaps
from service.pipeline.detections import DetectionOptions, detect_smoke
from service.pipeline.encode import Size, mask_at
from service.pipeline.outlines.polygons import polygons, region_owners, region_polygons

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


@pytest.mark.parametrize("size", [Size(64, 64), Size(211, 97), Size(40, 30)])
def test_the_regions_of_a_frame_share_out_its_mask(size):
    random = np.random.default_rng(4)
    probability = cv2.GaussianBlur(random.random((64, 64)).astype(np.float32), (0, 0), 3)
    nothing = np.zeros_like(probability)
    prediction = SegmentationMaps(probability, nothing, nothing, nothing)
    threshold = float(np.quantile(probability, 0.8))
    found = detect_smoke(prediction, DetectionOptions(threshold, 0.0), size).regions
    assert 3 < len(found) <= 32
    owners = region_owners(prediction, found, threshold, 0.0, size)
    np.testing.assert_array_equal(owners > 0, mask_at(prediction, threshold, size))
    for region, pieces in zip(found, region_polygons(owners, len(found)), strict=True):
        shapes = [Polygon(outer, holes) for outer, *holes in pieces]
        box = region.box
        assert all(x >= box.x - 1 - size.width / 64 for x, *_ in (shape.bounds for shape in shapes))
        assert sum(shape.area for shape in shapes) == pytest.approx(region.area_px, rel=0.35, abs=9)


def test_regions_below_the_least_size_have_no_polygon():
    probability = np.zeros((64, 64), np.float32)
    probability[10:30, 10:30] = probability[50, 50] = 1.0
    nothing = np.zeros_like(probability)
    prediction, size = SegmentationMaps(probability, nothing, nothing, nothing), Size(64, 64)
    found = detect_smoke(prediction, DetectionOptions(0.5, 0.01), size).regions
    owners = region_owners(prediction, found, 0.5, 0.01, size)
    ((((outer,),)),) = region_polygons(owners, len(found))
    assert Polygon(outer).bounds == (10, 10, 30, 30)
