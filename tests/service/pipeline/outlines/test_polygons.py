import cv2
import numpy as np
import pytest
from shapely import Polygon

from models.maps import SegmentationMaps
from service.pipeline.detections import detect_smoke
from service.pipeline.encode import Size, mask_at
from service.pipeline.outlines.polygons import CORNERS_MAX, region_owners, region_polygons


@pytest.mark.parametrize("size", [Size(64, 64), Size(211, 97), Size(40, 30)])
def test_the_regions_of_a_frame_share_out_its_mask(size):
    random = np.random.default_rng(4)
    probability = cv2.GaussianBlur(random.random((64, 64)).astype(np.float32), (0, 0), 3)
    nothing = np.zeros_like(probability)
    prediction = SegmentationMaps(probability, nothing, nothing, nothing)
    threshold = float(np.quantile(probability, 0.8))
    found = detect_smoke(prediction, size, threshold, 0.0).regions
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
    found = detect_smoke(prediction, size, 0.5, 0.01).regions
    owners = region_owners(prediction, found, 0.5, 0.01, size)
    ((((outer,),)),) = region_polygons(owners, len(found))
    assert Polygon(outer).bounds == (10, 10, 30, 30)


def test_of_noise_the_largest_pieces_are_told_and_no_more_corners_than_a_reply_holds():
    """A checkerboard on a frame of 18 megapixels had two million."""
    row, column = np.mgrid[:480, :480]
    owners = ((row + column) % 2 == 0).astype(np.uint8)
    owners[100:140, 100:140] = 1
    owners[300:310, 300:310] = 2
    large, small = region_polygons(owners, 2)
    corners = [len(ring) for pieces in (large, small) for polygon in pieces for ring in polygon]
    assert CORNERS_MAX - 200 < sum(corners) <= CORNERS_MAX
    assert max(Polygon(outer).area for outer, *_ in large) >= 40 * 40
    assert [Polygon(outer).area for outer, *_ in small] == [100]
