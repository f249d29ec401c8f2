"""A split scored end to end by predictors that are known: thresholds fitted elsewhere, reports that anything can read."""

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.operating_points import OperatingPoints
from tests.training.evaluation.red_smoke import SIDE, predictor, read_red, say_nothing, write_frame, write_manifest
from training.data.files import DataError
from training.evaluation import measurements
from training.evaluation.evaluate import evaluate, write
from training.evaluation.predictor import calibrated
from training.metrics.calibration import Calibration


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three cameras with clean smoke and a clear frame each."""
    frames = [write_frame(tmp_path, f"{group}{number}", group) for group in "abc" for number in range(3)]
    frames += [write_frame(tmp_path, f"{group}-clear", group, kind="clear") for group in "abc"]
    return write_manifest(tmp_path, frames)


@pytest.fixture
def disagreeing(tmp_path: Path) -> Path:
    """Camera a: smoke at 0.3 on black. Camera b: smoke at 0.8 on 0.5. No threshold serves both, and none is smoke-free."""
    frames = [write_frame(tmp_path, "a", "a", smoke=77), write_frame(tmp_path, "b", "b", smoke=204, background=128)]
    return write_manifest(tmp_path, frames)


def strict(text: str) -> dict:
    """JSON as every other reader takes it: without NaN."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_a_perfect_predictor_is_perfect_in_every_table(folder):
    report = evaluate(predictor(read_red), folder, "val").report
    for summary in (
        report["at_threshold"],
        report["cross_fitted"],
        *report["by_group"].values(),
        report["by_size"]["over 1 %"],
    ):
        assert (summary["f_beta"], summary["iou"], summary["mean_squared_error"]) == (1.0, 1.0, 0.0)
        assert (summary["precision"], summary["recall"]) == (1.0, 1.0)
        assert summary["detection_rate"] == summary["region_recall"] == 1.0
    assert report["at_threshold"]["false_alarm_rate"] == 0.0
    assert (report["f_beta"]["maximal"], report["f_beta"]["adaptive"]) == (1.0, 1.0)
    assert report["f_beta_interval"] == [1.0, 1.0]
    assert report["ece"] == pytest.approx(0.0, abs=1e-6)
    assert (report["at_threshold"]["smoke_frames"], report["at_threshold"]["smoke_free_frames"]) == (9, 3)


def test_raw_scores_are_of_frames_with_smoke_before_they_were_calibrated(tmp_path):
    frames = [write_frame(tmp_path, group, group, smoke=204, background=26) for group in "ab"]
    frames.append(write_frame(tmp_path, "free", "b", kind="clear", background=200))
    calibration = Calibration(2.0, -0.5, 1.5)
    model = predictor(calibrated(read_red, calibration), 0.5)._replace(calibration=calibration)
    raw = evaluate(model, write_manifest(tmp_path, frames), "val").report["raw"]
    assert raw["squared_error"] == pytest.approx(0.25 * 0.2**2 + 0.75 * (26 / 255) ** 2, abs=1e-6)
    assert raw["adaptive_f_beta"] == 1.0
    # Everything counts up to 26 / 256, the smoke alone up to 204 / 256.
    assert raw["mean_f_beta"] == pytest.approx((27 * 1.3 * 0.25 / (0.3 * 0.25 + 1.0) + 178) / 256)
    assert raw["intervals"]["squared_error"] == pytest.approx([raw["squared_error"]] * 2)


def test_operating_points_certify_what_their_groups_allow(folder):
    points = OperatingPoints.from_json(evaluate(predictor(read_red), folder, "val").report["operating_points"])
    assert (points.frames, points.confidence) == (3, 0.95)
    assert [point.threshold for point in points.points][-3:] == [248 / 256, 252 / 256, 254 / 256]
    assert {point.detection_rate for point in points.points} == {1.0}
    # Without an alarm, n groups certify 1 - .05^(1/n).
    assert points.least_rate == pytest.approx(1.0 - 0.05 ** (1.0 / points.groups), abs=1e-5)


def test_operating_points_tell_alarms_on_smoke_free_frames_and_the_smoke_that_is_found(tmp_path):
    frames = [
        write_frame(tmp_path, "smoke", "a", smoke=128),
        write_frame(tmp_path, "clear", "b", kind="clear", background=64),
    ]
    frames.append(write_frame(tmp_path, "cloud", "c", kind="hard_negative", background=200))
    report = evaluate(predictor(read_red, 0.5), write_manifest(tmp_path, frames), "val").report
    points = OperatingPoints.from_json(report["operating_points"])
    assert (points.frames, points.groups) == (2, 2)
    told = {256 * point.threshold: (point.false_alarm_rate, point.detection_rate) for point in points.points}
    assert [told[level] for level in (40, 104, 160, 240)] == [(1.0, 1.0), (0.5, 1.0), (0.5, 0.0), (0.0, 0.0)]


@pytest.mark.parametrize("kind", ["real_smoke", "clear"])
def test_without_smoke_or_without_smoke_free_frames_there_are_no_operating_points(tmp_path, kind):
    frames = [write_frame(tmp_path, group, group, kind=kind) for group in "ab"]
    assert (
        evaluate(predictor(read_red, 0.5), write_manifest(tmp_path, frames), "val").report["operating_points"] is None
    )


def test_a_predictor_that_says_nothing_has_the_error_of_all_zero(folder):
    summary = evaluate(predictor(say_nothing), folder, "val").report["at_threshold"]
    assert summary["mean_squared_error"] == summary["zero_error"] == 0.25
    assert summary["false_alarm_rate"] == 0.0


def test_no_group_is_scored_at_a_threshold_that_it_was_fitted_on(folder, monkeypatch):
    fitted: list[set[str]] = []

    def record(scores, _):
        fitted.append({score.frame.group for score in scores})
        return 128

    monkeypatch.setattr(measurements, "choose_level", record)
    evaluate(predictor(read_red, threshold=0.5), folder, "val")
    assert fitted == [{"b", "c"}, {"a", "c"}, {"a", "b"}]


def test_cross_fitting_scores_each_camera_at_the_others_threshold(disagreeing):
    report = evaluate(predictor(read_red), disagreeing, "val").report
    # Fitted on b, the threshold lies above 0.5, where a has nothing: 0. Fitted on a, the first of equals is 8 / 256, where all of
    # b is smoke: precision 1/4 and recall 1.
    everything = 1.3 * 0.25 / (0.3 * 0.25 + 1)
    assert report["cross_fitted"]["f_beta"] == pytest.approx((0 + everything) / 2)
    assert report["cross_fitted"]["threshold"] == pytest.approx((8 + 136) / 2 / 256)
    assert report["at_threshold"]["f_beta"] == pytest.approx(max((1 + everything) / 2, (0 + 1) / 2))


def test_a_release_is_scored_at_its_own_threshold(folder):
    report = evaluate(predictor(read_red, threshold=0.77), folder, "val").report
    assert report["threshold"] == report["at_threshold"]["threshold"] == 200 / 256


def test_smoke_is_sorted_by_its_size(folder):
    by_size = evaluate(predictor(read_red), folder, "val").report["by_size"]
    assert [summary["smoke_frames"] for summary in by_size.values()] == [0, 0, 9]


def test_the_interval_spans_cameras_and_not_frames(tmp_path):
    # One camera is read perfectly, the other not at all: whole cameras are resampled, so every mean from 0 to 1 occurs.
    frames = [write_frame(tmp_path, f"a{number}", "a") for number in range(5)]
    frames += [write_frame(tmp_path, f"b{number}", "b", smoke=0) for number in range(5)]
    report = evaluate(predictor(read_red), write_manifest(tmp_path, frames), "val").report
    assert report["at_threshold"]["f_beta"] == pytest.approx(0.5)
    assert report["f_beta_interval"] == [0.0, 1.0]


def test_synthetic_frames_are_not_scored(folder):
    for name in ("img/s.png", "gt/s.png"):
        path = folder / "smoke5k_synthetic" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(b"no picture")
    assert evaluate(predictor(read_red), folder, "all").report["at_threshold"]["smoke_frames"] == 9


@pytest.mark.parametrize("kinds", [["real_smoke"], ["clear", "clear"], ["real_smoke", "clear"]])
def test_a_split_with_smoke_of_one_camera_is_refused_since_nothing_is_left_to_fit_on(tmp_path, kinds):
    frames = [write_frame(tmp_path, f"f{number}", f"g{number}", kind=kind) for number, kind in enumerate(kinds)]
    with pytest.raises(DataError, match=r"split 'val' has smoke frames of [01] camera groups, expected at least 2"):
        evaluate(predictor(read_red), write_manifest(tmp_path, frames), "val")


def test_what_is_written_can_be_read_by_anything(disagreeing, tmp_path):
    out = tmp_path / "deep/report"
    found = evaluate(predictor(read_red), disagreeing, "val")
    write(found, out)
    report = strict((out / "report.json").read_text())
    assert report["at_threshold"]["f_beta"] == found.report["at_threshold"]["f_beta"]
    assert report["at_threshold"]["false_alarm_rate"] is None
    assert math.isnan(found.report["at_threshold"]["false_alarm_rate"])
    assert "| b |" in (out / "report.md").read_text()
    for name in ("reliability", "risk_coverage", "decomposition", "worst"):
        assert cv2.imread(str(out / f"{name}.png")) is not None, name


def test_the_sheet_shows_what_was_found_in_its_own_colours(folder, tmp_path):
    found = evaluate(predictor(read_red), folder, "val")
    write(found, tmp_path)
    written = cv2.cvtColor(cv2.imread(str(tmp_path / "contact_sheet.png")), cv2.COLOR_BGR2RGB)
    assert np.array_equal(written, found.sheets["contact_sheet.png"])
    assert tuple(written[160, 20]) == (255, 0, 0)
    assert written.shape[0] > SIDE


def test_a_list_of_frames_is_scored_alone_and_named(folder, tmp_path):
    subset = tmp_path / "difficult.txt"
    subset.write_text("a0.png\nb1.png\na-clear.png\n")
    report = evaluate(predictor(read_red), folder, "val", subset).report
    assert report["subset"] == {"file": "difficult.txt", "frames": 3}
    assert (report["at_threshold"]["smoke_frames"], report["at_threshold"]["smoke_free_frames"]) == (2, 1)
    subset.write_text("a0.png\nb9.png\n")
    with pytest.raises(DataError, match=r"'b9\.png'"):
        evaluate(predictor(read_red), folder, "val", subset)


def test_a_release_is_scored_on_smoke_free_frames_alone(tmp_path):
    frames = [
        write_frame(tmp_path, f"{name}", name, kind="clear", background=level) for name, level in (("a", 0), ("b", 200))
    ]
    found = evaluate(predictor(read_red, threshold=0.5), write_manifest(tmp_path, frames), "val")
    write(found, tmp_path / "out")
    report = strict((tmp_path / "out/report.json").read_text())
    assert (report["at_threshold"]["false_alarm_rate"], report["cross_fitted"]) == (0.5, None)
    assert report["gate"]["gate"] is None
    assert "1 of 2" in (tmp_path / "out/report.md").read_text()


def test_a_release_is_scored_on_one_camera_alone(tmp_path):
    folder = write_manifest(tmp_path, [write_frame(tmp_path, "a", "a")])
    found = evaluate(predictor(read_red, threshold=0.5), folder, "val")
    write(found, tmp_path / "out")
    assert found.report["cross_fitted"] is None
    assert found.report["at_threshold"]["f_beta"] == 1.0


def test_regions_are_ranked_at_the_threshold_and_at_half_of_it(folder):
    report = evaluate(predictor(read_red, threshold=0.5), folder, "val").report
    assert (report["doubt"]["threshold"], report["doubt_at_lower_threshold"]["threshold"]) == (0.5, 0.25)
    assert report["doubt"]["true_regions"] == 9
    assert report["gate"]["fitted_on"]["released"] == {"true": 9, "false": 0}


def test_calibration_held_out_enters_the_squared_error_of_a_calibrated_model(disagreeing):
    calibrated = predictor(read_red)._replace(calibration=Calibration())
    report = evaluate(calibrated, disagreeing, "val").report
    assert report["cross_fitted"]["mean_squared_error"] != pytest.approx(report["at_threshold"]["mean_squared_error"])
    assert set(report["calibration_table"]) == {"as shown", "raw", "temperature", "two temperatures and shift"}
    assert report["calibrated_by"] == "temperature"


def test_the_worst_come_first_on_their_sheet(tmp_path):
    frames = [write_frame(tmp_path, f"{g}{n}", g, smoke=255 if n else 0) for g in "ab" for n in (1, 0)]
    found = evaluate(predictor(read_red, threshold=0.5), write_manifest(tmp_path, frames), "val")
    # Missed smoke is outlined as truth alone, in yellow; what is found is outlined in red over it.
    first, third = found.sheets["worst.png"][160, 320:640], found.sheets["worst.png"][480, 320:640]
    assert (first == (255, 255, 0)).all(axis=1).any()
    assert not (first == (255, 0, 0)).all(axis=1).any()
    assert (third == (255, 0, 0)).all(axis=1).any()
    assert [row.name for row in found.panel] == ["easy", "median", "hard"]
    assert not found.panel[-1].prediction.any()
