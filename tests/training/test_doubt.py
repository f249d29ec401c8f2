"""Ranking regions by doubt, where the answer is known."""

import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from training.data.smoke5k import Frame
from training.doubt import RegionScore, auroc, report_doubt, score_regions
from training.prediction import Maps


def region(true: bool, **values: float) -> RegionScore:
    defaults = {"area_fraction": 0.01, "probability": 0.9, "total": 0.2, "aleatoric": 0.1, "epistemic": 0.1}
    return RegionScore("camera", true, **(defaults | values))


def test_doubting_every_false_region_more_is_one_and_the_reverse_is_zero():
    assert auroc([0.1, 0.2, 0.8, 0.9], [False, False, True, True]) == 1.0
    assert auroc([0.8, 0.9, 0.1, 0.2], [False, False, True, True]) == 0.0


def test_equal_doubt_is_a_coin_toss():
    assert auroc([0.5] * 6, [True, False] * 3) == 0.5


def test_one_pair_in_four_the_wrong_way_round_is_three_quarters():
    assert auroc([0.1, 0.4, 0.3, 0.9], [False, False, True, True]) == 0.75


def test_without_a_false_region_there_is_no_answer():
    assert math.isnan(auroc([0.1, 0.2], [False, False]))


def test_each_score_is_reported_with_the_counts():
    report = report_doubt([region(True, epistemic=0.01), region(True, epistemic=0.02), region(False, epistemic=0.3)])
    assert (report["true_regions"], report["false_regions"]) == (2, 1)
    assert report["epistemic"] == 1.0
    assert report["one_minus_probability"] == 0.5


def test_regions_carry_the_means_over_their_own_pixels_and_know_whether_they_are_smoke(tmp_path: Path):
    smoke, cloud = np.s_[8:16, 8:16], np.s_[40:48, 40:48]
    truth = np.zeros((64, 64), np.uint8)
    truth[smoke] = 255
    cv2.imwrite(str(tmp_path / "image.png"), np.zeros((64, 64, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "mask.png"), truth)
    probability, total = np.zeros((64, 64), np.float32), np.zeros((64, 64), np.float32)
    probability[smoke], total[smoke] = 0.8, 0.1
    probability[cloud], total[cloud] = 0.6, 0.4
    maps = Maps(probability, total, 0.75 * total, 0.25 * total)
    frame = Frame(tmp_path / "image.png", tmp_path / "mask.png", "real_smoke", "camera")
    right, wrong = sorted(score_regions(lambda _: maps, [frame], 64, 0.5, 0.001), key=lambda score: -score.probability)
    assert (right.true, wrong.true) == (True, False)
    assert (right.probability, wrong.probability) == (pytest.approx(0.8), pytest.approx(0.6))
    assert (right.total, wrong.total) == (pytest.approx(0.1), pytest.approx(0.4))
    assert wrong.epistemic == pytest.approx(0.1)
    assert right.area_fraction == 64 / 64**2
