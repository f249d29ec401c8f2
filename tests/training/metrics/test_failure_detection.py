"""Ranking regions by doubt, where the answer is known."""

import math
from pathlib import Path

import numpy as np
import pytest

from models.detection import Detection
from models.geometry import Region
from training.data.frames import Frame
from training.metrics.failure_detection import auroc, cross_fitted, fit_logistic_score, report_doubt
from training.metrics.regions import RegionMatch


def region(true: bool, group: str = "camera", kind: str = "real_smoke", **values: float) -> RegionMatch:
    means = {"mean_probability": 0.9, "total": 0.2, "aleatoric": 0.1, "epistemic": 0.1} | values
    mask = Path("mask.png") if kind == "real_smoke" else None
    frame = Frame(Path(f"{group}.png"), mask, kind, group)
    return RegionMatch(frame, true, Detection(Region(0, 0, 2, 2, 4, 1), 0.01, **means))


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
    report = report_doubt(
        [region(True, epistemic=0.01), region(True, epistemic=0.02), region(False, epistemic=0.3)], []
    )
    assert (report["true_regions"], report["false_regions"]) == (2, 1)
    assert report["epistemic"] == 1.0
    assert report["one_minus_probability"] == 0.5


def many(groups: str, tell: str, rng: np.random.Generator, count: int = 40) -> list[RegionMatch]:
    """Regions of some cameras of which the false ones are doubted more by one quantity, and no others."""
    return [
        region(
            true, group, mean_probability=rng.uniform(0.5, 0.9), total=0.3, **{tell: (0.05 if true else 0.1) + noise}
        )
        for group in groups
        for true, noise in zip(rng.random(count) < 0.7, rng.normal(0, 0.005, count), strict=True)
    ]


def test_the_combination_finds_the_quantity_that_tells_and_its_sign():
    found = fit_logistic_score(many("ab", "epistemic", np.random.default_rng(0)))
    assert found.weights["epistemic"] > 10 * max(abs(found.weights[name]) for name in ("total", "aleatoric"))
    sure, doubtful = region(True, epistemic=0.05, total=0.3), region(False, epistemic=0.1, total=0.3)
    assert found.score(sure) < 0 < found.score(doubtful)


def test_the_combination_is_as_sure_as_the_data_where_the_quantities_say_nothing():
    # Three in four are false whatever is said: the log odds are ln 3, as the mean of a Bernoulli asks for.
    found = fit_logistic_score([region(index % 4 == 0) for index in range(40)])
    assert found.score(region(True)) == pytest.approx(math.log(3), abs=1e-3)


def test_one_kind_of_region_alone_cannot_be_fitted():
    assert fit_logistic_score([region(True), region(True)]) is None
    assert fit_logistic_score([]) is None


def test_no_region_is_scored_by_a_fit_on_its_own_camera():
    # In camera b the sign is the other way round: held out, each camera is ranked by what the other taught, wrongly.
    rng = np.random.default_rng(1)
    right = many("a", "epistemic", rng)
    wrong = [RegionMatch(r.frame, not r.true, r.detection) for r in many("b", "epistemic", rng)]
    scores, false = cross_fitted([*right, *wrong], [*right, *wrong]), [not r.true for r in (*right, *wrong)]
    assert auroc(scores[:40], false[:40]) < 0.1
    assert auroc(scores[40:], false[40:]) < 0.1


def test_the_claim_is_the_difference_of_the_two_areas_with_an_interval_around_it():
    report = report_doubt(*[many("abcd", "epistemic", np.random.default_rng(2))] * 2)
    assert report["epistemic"] > 0.95
    difference = report["epistemic"] - report["one_minus_probability"]
    assert report["epistemic_minus_confidence"] == pytest.approx(difference)
    low, high = report["epistemic_minus_confidence_interval"]
    assert 0.0 < low <= difference <= high
    assert report["combination"] > 0.95


def test_without_any_region_everything_is_unmeasured_and_nothing_fails():
    report = report_doubt([], [])
    assert (report["true_regions"], report["false_regions"]) == (0, 0)
    assert math.isnan(report["combination"])


def test_false_regions_on_frames_with_smoke_are_counted_apart():
    regions = [region(False), region(True), region(False, kind="clear")]
    assert report_doubt(regions, regions)["false_on_smoke_frames"] == 1
