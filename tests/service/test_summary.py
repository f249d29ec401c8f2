import math

import numpy as np
import pytest

from service.errors import InferenceFailed
from service.prediction import Prediction
from service.summary import summarise

LN2 = math.log(2)


def prediction(smoke: np.ndarray) -> Prediction:
    """Probability .75 and total ln 2 in the smoke, .25 and ln 2 / 4 elsewhere; aleatoric is 3/4 of the total."""
    total = np.where(smoke, LN2, LN2 / 4).astype(np.float32)
    aleatoric = np.float32(0.75) * total
    return Prediction(np.where(smoke, 0.75, 0.25).astype(np.float32), total, aleatoric, total - aleatoric)


def block(height: int, width: int, side: int = 10) -> np.ndarray:
    smoke = np.zeros((side, side), dtype=bool)
    smoke[:height, :width] = True
    return smoke


def test_the_numbers_of_a_frame_with_one_block_of_smoke():
    summary = summarise(prediction(block(4, 5)), threshold=0.5, minimum_region=0.2)
    assert summary.smoke.detected
    assert summary.smoke.area_fraction == 0.2
    assert summary.smoke.max_probability == 0.75
    assert summary.frame_doubt.total == pytest.approx(0.2 * LN2 + 0.8 * LN2 / 4)
    assert summary.frame_doubt.aleatoric == pytest.approx(0.75 * summary.frame_doubt.total)
    assert summary.frame_doubt.epistemic == pytest.approx(0.25 * summary.frame_doubt.total)
    assert summary.smoke_doubt.total == pytest.approx(LN2)
    assert summary.smoke_doubt.epistemic == pytest.approx(LN2 / 4)


def test_a_region_below_the_minimum_is_counted_as_area_but_is_no_detection():
    summary = summarise(prediction(block(4, 5)), threshold=0.5, minimum_region=0.21)
    assert not summary.smoke.detected
    assert summary.smoke.area_fraction == 0.2


def test_two_small_regions_do_not_add_up_to_a_detection():
    smoke = block(2, 5)
    smoke[8:, 5:] = True
    assert not summarise(prediction(smoke), threshold=0.5, minimum_region=0.2).smoke.detected


def test_without_smoke_there_is_no_doubt_about_smoke():
    summary = summarise(prediction(block(0, 0)), threshold=0.5, minimum_region=0.0)
    assert not summary.smoke.detected
    assert summary.smoke_doubt is None
    assert summary.frame_doubt.total == pytest.approx(LN2 / 4)


def test_a_pixel_at_the_threshold_is_smoke():
    assert summarise(prediction(block(1, 1)), threshold=0.75, minimum_region=0.01).smoke.detected


@pytest.mark.parametrize("name", ["probability", "total", "aleatoric", "epistemic"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_an_answer_that_is_no_number_is_a_failure(name, value):
    answer = prediction(block(4, 5))
    getattr(answer, name)[9, 9] = value
    with pytest.raises(InferenceFailed):
        summarise(answer, threshold=0.5, minimum_region=0.2)
