import math
from dataclasses import replace

import numpy as np
import pytest

from models.gate import Gate
from models.geometry import Box
from models.maps import SegmentationMaps
from service.errors import InferenceFailed
from service.pipeline.detections import REGIONS_MAX, Assessment, FrameNovelty, FrameResult, detect_smoke
from service.pipeline.encode import Size

LN2 = math.log(2)


def prediction(smoke: np.ndarray) -> SegmentationMaps:
    """Probability .75 and total ln 2 in the smoke, .25 and ln 2 / 4 elsewhere; aleatoric is 3/4 of the total."""
    total = np.where(smoke, LN2, LN2 / 4).astype(np.float32)
    aleatoric = np.float32(0.75) * total
    return SegmentationMaps(np.where(smoke, 0.75, 0.25).astype(np.float32), total, aleatoric, total - aleatoric)


def sum_up(answer: SegmentationMaps, threshold: float, minimum_region: float, gate: Gate | None = None) -> FrameResult:
    """On a frame ten times as wide and five times as high as the maps."""
    return detect_smoke(answer, Size(100, 50), threshold, minimum_region, gate)


def block(height: int, width: int, side: int = 10) -> np.ndarray:
    smoke = np.zeros((side, side), dtype=bool)
    smoke[:height, :width] = True
    return smoke


def test_the_numbers_of_a_frame_with_one_block_of_smoke():
    summary = sum_up(prediction(block(4, 5)), 0.5, 0.2)
    assert summary.smoke.detected
    assert summary.smoke.area_fraction == 0.2
    assert summary.smoke.max_probability == 0.75
    assert summary.frame_uncertainty.total == pytest.approx(0.2 * LN2 + 0.8 * LN2 / 4)
    assert summary.frame_uncertainty.aleatoric == pytest.approx(0.75 * summary.frame_uncertainty.total)
    assert summary.frame_uncertainty.epistemic == pytest.approx(0.25 * summary.frame_uncertainty.total)
    assert summary.smoke_uncertainty.total == pytest.approx(LN2)
    assert summary.smoke_uncertainty.epistemic == pytest.approx(LN2 / 4)


def test_a_region_below_the_minimum_is_counted_as_area_but_is_no_detection():
    summary = sum_up(prediction(block(4, 5)), 0.5, 0.21)
    assert not summary.smoke.detected
    assert summary.smoke.area_fraction == 0.2


def test_two_small_regions_do_not_add_up_to_a_detection():
    smoke = block(2, 5)
    smoke[8:, 5:] = True
    assert not sum_up(prediction(smoke), 0.5, 0.2).smoke.detected


def test_without_smoke_there_is_no_doubt_about_smoke():
    summary = sum_up(prediction(block(0, 0)), 0.5, 0.0)
    assert not summary.smoke.detected
    assert summary.smoke_uncertainty is None
    assert summary.frame_uncertainty.total == pytest.approx(LN2 / 4)


def test_a_pixel_at_the_threshold_is_smoke():
    assert sum_up(prediction(block(1, 1)), 0.75, 0.01).smoke.detected


@pytest.mark.parametrize("name", ["probability", "total", "aleatoric", "epistemic"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_an_answer_that_is_no_number_is_a_failure(name, value):
    answer = prediction(block(4, 5))
    getattr(answer, name)[9, 9] = value
    with pytest.raises(InferenceFailed):
        sum_up(answer, 0.5, 0.2)


def test_a_region_is_placed_on_the_frame_whatever_its_aspect():
    smoke = np.zeros((10, 10), dtype=bool)
    smoke[2:6, 3:8] = True
    (place,) = sum_up(prediction(smoke), 0.5, 0.0).regions
    assert place.box == Box(30, 10, 50, 20)
    assert place.area_px == 50 * 20
    assert place.detection.mean_probability == pytest.approx(0.75)
    assert place.detection.total == pytest.approx(LN2)
    assert place.detection.aleatoric == pytest.approx(0.75 * LN2)
    assert place.detection.epistemic == pytest.approx(0.25 * LN2)


def of_two_minds() -> SegmentationMaps:
    """A large region whose epistemic mean is ln 2 / 2 and a small one whose is ln 2 / 4."""
    smoke = block(4, 5)
    smoke[8:, 8:] = True
    answer = prediction(smoke)
    answer.aleatoric[:4, :5] = answer.epistemic[:4, :5] = LN2 / 2
    return answer


@pytest.mark.parametrize(
    ("limit", "doubted"), [(LN2, [False, False]), (0.4 * LN2, [True, False]), (0.2 * LN2, [True, True])]
)
def test_the_gate_marks_the_regions_that_it_doubts_and_takes_none_of_them_for_no_smoke(limit, doubted):
    summary = sum_up(of_two_minds(), 0.5, 0.0, Gate({"epistemic": 1.0}, limit))
    assert [place.doubted for place in summary.regions] == doubted
    assert (summary.assessment, summary.smoke.detected) == (Assessment.SMOKE, True)


def test_without_a_gate_nothing_is_doubted():
    assert [place.doubted for place in sum_up(of_two_minds(), 0.5, 0.0).regions] == [False, False]


def test_a_frame_without_a_region_is_clear_however_many_pixels_there_are():
    assert sum_up(prediction(block(4, 5)), 0.5, 0.21).assessment is Assessment.CLEAR


def test_a_noisy_frame_has_more_regions_than_a_reply_lists():
    dots = np.zeros((20, 20), dtype=bool)
    dots[::2, ::2] = True
    assert len(sum_up(prediction(dots), 0.5, 0.0).regions) == 100 > REGIONS_MAX


@pytest.mark.parametrize(("score", "unfamiliar"), [(2.9, False), (3.0, False), (3.1, True), (50.0, True)])
def test_a_frame_is_unfamiliar_above_the_limit_and_its_smoke_is_found_all_the_same(score, unfamiliar):
    seen = prediction(block(4, 5))
    found = detect_smoke(seen._replace(novelty=score), Size(100, 50), 0.5, 0.2, novelty_limit=3.0)
    assert found.novelty == FrameNovelty(score, 3.0)
    assert found.novelty.unfamiliar is unfamiliar
    assert replace(found, novelty=None) == sum_up(seen, 0.5, 0.2)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_novelty_that_is_no_number_costs_no_frame_its_answer(value):
    seen = prediction(block(4, 5))
    found = detect_smoke(seen._replace(novelty=value), Size(100, 50), 0.5, 0.2, novelty_limit=3.0)
    assert found == sum_up(seen, 0.5, 0.2)
