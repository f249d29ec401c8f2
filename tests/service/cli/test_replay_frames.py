"""The frames of a shaking camera."""

import numpy as np

from service.cli.replay_frames import jittered
from tests.pictures import array_of, noisy, plain


def test_a_shaken_picture_is_the_same_every_time_and_moves_by_no_more_than_it_may():
    dot = plain(0, 0, 0)
    dot[16, 16] = 255
    frames = [array_of(drawn()) for drawn in jittered(dot, 20, 3, seed=1)]
    spots = np.array([np.unravel_index(frame[..., 1].argmax(), frame.shape[:2]) for frame in frames])
    assert np.abs(spots - 16).max() == 3
    first, again = ([drawn() for drawn in jittered(noisy(), 2, 3, seed=1)] for _ in range(2))
    assert first == again
