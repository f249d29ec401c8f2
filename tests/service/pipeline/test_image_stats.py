"""Pictures whose numbers can be computed by hand."""

import numpy as np
import pytest

from service.pipeline.image_stats import image_stats


def test_brightness_and_contrast_of_two_halves_are_their_mean_and_half_their_difference():
    frame = np.zeros((480, 480, 3), np.uint8)
    frame[:, 240:] = 255
    look = image_stats(frame)
    assert (look.brightness, look.contrast, look.glare) == (pytest.approx(0.5), pytest.approx(0.5), 0.5)
