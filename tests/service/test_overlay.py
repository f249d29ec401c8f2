import numpy as np

from service.pipeline.encode import overlay
from tests.pictures import array_of, plain


def block() -> np.ndarray:
    mask = np.zeros((64, 96), dtype=bool)
    mask[16:48, 32:64] = True
    return mask


def test_smoke_turns_redder_and_the_rest_stays_as_it_was():
    frame = plain(100, 100, 100, 96, 64)
    picture = array_of(overlay(frame, block()).data).astype(int)
    red, green, blue = picture[28:36, 44:52].mean(axis=(0, 1))
    assert red > 140
    assert green < 95
    assert blue < 85
    assert np.abs(picture[:, :16] - 100).max() <= 2


def test_the_edge_is_drawn_stronger_than_the_inside():
    mask = np.zeros((1200, 1600), dtype=bool)
    mask[400:800, 400:800] = True
    picture = array_of(overlay(plain(100, 100, 100, 1600, 1200), mask).data).astype(int)
    edge, inside = picture[600, 400], picture[600, 600]
    assert edge[0] - edge[1] > inside[0] - inside[1] + 80


def test_a_frame_without_smoke_is_shown_as_it_is():
    picture = overlay(plain(100, 100, 100, 96, 64), np.zeros((64, 96), dtype=bool))
    assert (picture.width, picture.height) == (96, 64)
    assert np.abs(array_of(picture.data).astype(int) - 100).max() <= 1


def test_the_frame_itself_is_left_untouched():
    frame = plain(100, 100, 100, 96, 64)
    overlay(frame, block())
    assert (frame == 100).all()
