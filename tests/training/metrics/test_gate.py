"""Fitting the gate, where what it may drop is counted by hand."""

from dataclasses import replace
from pathlib import Path

import pytest

from models.detection import Detection
from models.gate import Gate
from models.geometry import Region
from training.data.frames import Frame
from training.metrics.gate import GateRegions, fit_gate, judge, report_gate
from training.metrics.regions import RegionMatch


def region(true: bool, doubt: float, number: int, group: str = "a", kind: str = "real_smoke") -> RegionMatch:
    """A region on a frame of its own, doubted by its epistemic uncertainty."""
    frame = Frame(Path(f"{group}-{number}-{kind}.png"), None, kind, group)
    return RegionMatch(frame, true, Detection(Region(0, 0, 2, 2, 4, 1), 0.01, 0.9, 0.3, 0.3 - doubt, doubt))


def told(true: bool, epistemic: float, improbable: float, number: int) -> RegionMatch:
    """A region on a frame of its own, of that epistemic mean, and of a probability so far below 1."""
    known = region(true, epistemic, number)
    return replace(known, detection=replace(known.detection, mean_probability=1.0 - improbable))


def camera(group: str, true: int = 50, false: int = 5) -> list[RegionMatch]:
    """Smoke doubted from 0 to 0.1 nats, clouds at 0.2."""
    smoke = [region(True, 0.1 * number / true, number, group) for number in range(true)]
    return smoke + [region(False, 0.2, 100 + number, group, "clear") for number in range(false)]


def test_regions_that_doubt_separates_are_told_apart_at_no_cost():
    regions = camera("a")
    gate = fit_gate(GateRegions(regions, regions))
    outcome = judge(regions, [gate] * len(regions))
    assert outcome.false_regions == (5, 0)
    assert outcome.true_regions == outcome.detected_frames == (50, 50)
    assert outcome.false_alarm_frames == (5, 0)


def test_the_limit_lies_in_the_middle_between_what_is_doubted_and_what_is_not():
    regions = camera("a")
    gate = fit_gate(GateRegions(regions, regions))
    surest = min(gate.score(each.detection.means) for each in regions if not each.true)
    least_sure = max(gate.score(each.detection.means) for each in regions if each.true)
    assert gate.limit == pytest.approx((surest + least_sure) / 2)


def test_where_no_quantity_separates_by_itself_a_combination_does():
    # Of smoke both add up to .4, of clouds to .6; either by itself is the same of both.
    regions = [told(True, 0.05 + 0.01 * n, 0.35 - 0.01 * n, n) for n in range(31)]
    regions += [told(False, 0.15 + 0.01 * n, 0.45 - 0.01 * n, 100 + n) for n in range(31)]
    gate = fit_gate(GateRegions(regions, regions))
    outcome = judge(regions, [gate] * len(regions))
    assert (outcome.true_regions, outcome.false_regions) == ((31, 31), (31, 0))


def test_where_the_combination_does_not_separate_one_quantity_by_itself_may():
    # At the lower threshold clouds are improbable, at the released one they are as probable as smoke, and epistemic.
    smoke = [told(True, 0.1, 0.1 + 0.001 * n, n) for n in range(50)]
    improbable = [told(False, 0.1, 0.5, 100 + n) for n in range(30)]
    epistemic = [told(False, 0.2, 0.05, 200 + n) for n in range(5)]
    gate = fit_gate(GateRegions([*smoke, *improbable], [*smoke, *epistemic]))
    assert gate.weights == {"epistemic": 1.0}
    assert judge(epistemic, [gate] * 5).false_regions == (5, 0)


def test_a_gate_costs_two_percent_of_the_detections_at_most():
    # One cloud is doubted less than two of 100 plumes, the other less than three: only the first may go.
    plumes = [region(True, 0.05 + 0.001 * number, number) for number in range(100)]
    clouds = [region(False, 0.05 + 0.001 * place, 200 + index) for index, place in enumerate((97.5, 96.5))]
    many = plumes + [region(False, 0.3, 300 + number) for number in range(30)]
    gate = fit_gate(GateRegions(many, plumes + clouds))
    outcome = judge(plumes + clouds, [gate] * 102)
    assert outcome.true_regions == (100, 98)
    assert outcome.false_regions == (2, 1)


@pytest.mark.parametrize(
    "smoke",
    [
        # Three of 100 regions are doubted more than the cloud, each beside a sure one: 3 % of the regions, and no frame.
        [region(True, doubt, n) for n in range(50) for doubt in (0.0, 0.3 if n < 3 else 0.1)],
        # Two of 200 are, each alone on its frame, where one frame has 150: 1 % of the regions, and 4 % of the frames.
        [region(True, 0.3 if n < 2 else 0.1, min(n, 50)) for n in range(200)],
    ],
    ids=["regions", "frames"],
)
def test_a_gate_costs_too_much_in_regions_or_in_frames_alone(smoke):
    cloud = region(False, 0.2, 100, kind="clear")
    doubted = [region(False, 0.4, 200 + number, kind="clear") for number in range(30)]
    assert fit_gate(GateRegions([*smoke, *doubted], [*smoke, cloud])) is None


def test_a_frame_is_still_detected_while_one_of_its_regions_passes():
    frame = Frame(Path("two.png"), None, "real_smoke", "a")
    sure, doubtful = region(True, 0.0, 1).detection, region(True, 0.2, 2).detection
    regions = [RegionMatch(frame, True, sure), RegionMatch(frame, True, doubtful)]
    outcome = judge(regions, [Gate({"epistemic": 1.0}, 0.1)] * 2)
    assert outcome.true_regions == (2, 1)
    assert outcome.detected_frames == (1, 1)


def test_without_a_false_region_or_without_gain_there_is_no_gate():
    smoke = [region(True, 0.1, number) for number in range(10)]
    assert fit_gate(GateRegions(smoke, smoke)) is None
    clouds_like_smoke = [region(False, 0.1, 20 + number) for number in range(3)]
    doubted = [region(False, 0.3, 30 + number) for number in range(3)]
    assert fit_gate(GateRegions(smoke + doubted, smoke + clouds_like_smoke)) is None


def test_where_nothing_but_clouds_is_found_at_the_threshold_all_of_them_are_doubted():
    clouds = [each for each in camera("a") if not each.true]
    gate = fit_gate(GateRegions(camera("a"), clouds))
    assert judge(clouds, [gate] * 5).false_regions == (5, 0)


def test_no_gate_doubts_nothing():
    regions = camera("a")
    assert judge(regions, [None] * len(regions)).false_regions == (5, 5)


def test_each_camera_is_judged_by_the_gate_of_the_others():
    # In a and b clouds are doubted more than smoke; in c all smoke is doubted as clouds are there, and the gate of a and b loses it.
    strange = [region(True, 0.2, number, "c") for number in range(10)]
    regions = [*camera("a"), *camera("b"), *strange]
    report = report_gate(GateRegions(regions, regions))
    assert report["cross_fitted"]["true_regions"] == (110, 100)
    assert report["cross_fitted"]["false_regions"][1] <= 10
    assert report["fitted"]["true_regions"][1] >= 0.98 * 110
    assert report["fitted_on"]["released"] == {"true": 110, "false": 10}


def test_a_report_tells_the_gates_of_the_lower_threshold_on_its_own_regions():
    many, released = [*camera("a", false=9), *camera("b", false=9)], [*camera("a"), *camera("b")]
    report = report_gate(GateRegions(many, released))
    assert report["at_lower_threshold"]["fitted"]["false_regions"] == (18, 0)
    assert report["fitted"]["false_regions"] == (10, 0)
    assert report["fitted_on"] == {"many": {"true": 100, "false": 18}, "released": {"true": 100, "false": 10}}


def test_a_gate_that_doubts_smoke_of_other_cameras_and_nothing_else_is_not_released():
    # On each camera clouds are doubted more than smoke, but on the second all of it is doubted more than anything on the first.
    regions = [*camera("a"), *(region(r.true, r.detection.epistemic + 0.3, n, "b") for n, r in enumerate(camera("b")))]
    report = report_gate(GateRegions(regions, regions))
    assert report["fitted"]["false_regions"][1] < 10
    assert report["cross_fitted"]["true_regions"][1] < 100
    assert report["gate"] is None


def test_the_gate_of_a_report_is_one_that_the_manifest_takes():
    regions = [*camera("a"), *camera("b")]
    report = report_gate(GateRegions(regions, regions))
    gate = Gate.from_json(report["gate"])
    assert gate.doubts(regions[-1].detection.means)
    assert not gate.doubts(regions[0].detection.means)
    assert report["cross_fitted"]["false_regions"] == (10, 0)
    assert report["cross_fitted"]["false_alarm_frames"] == pytest.approx((10, 0))
