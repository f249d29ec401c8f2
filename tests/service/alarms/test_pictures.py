"""Pictures that are sent are bounded, whatever they show."""

import numpy as np
import pytest

from service.alarms.pictures import SMALL_BYTES_MAX, SMALL_SIDE_PX, small_jpeg
from tests.pictures import array_of, noisy, plain


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (300, 4000), (4000, 3)])
def test_a_large_picture_is_shrunk_as_a_whole_until_it_fits(width, height):
    small = small_jpeg(noisy(0, width, height))
    shown = array_of(small)
    assert len(small) <= SMALL_BYTES_MAX
    assert max(shown.shape[:2]) <= SMALL_SIDE_PX
    assert shown.shape[1] / shown.shape[0] == pytest.approx(width / height, rel=0.6 if height == 3 else 0.02)


def test_a_small_picture_keeps_its_size_and_colours():
    shown = array_of(small_jpeg(plain(200, 100, 50, 64, 48)))
    assert shown.shape == (48, 64, 3)
    assert np.abs(shown.astype(int) - (200, 100, 50)).max() <= 4
