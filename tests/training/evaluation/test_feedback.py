"""What people said of alarms, counted."""

import dataclasses
import json
import os
import tracemalloc
from pathlib import Path

import pytest

from models.manifest import Manifest
from models.operating_points import OperatingPoint, OperatingPoints
from training.data.files import DataError
from training.evaluation.feedback import Watch, by_threshold, feedback_table, read_feedback, threshold_table
from training.metrics.conformal import upper_bound


def line(camera: str, verdict: str, assessment: str | None = "smoke") -> str:
    """A line as the service appends it."""
    state = {"alarm": {"state": "on"}, "assessment": assessment, "model": {"name": "smoke-test"}}
    return json.dumps({"at": "2026-01-01T00:00:00Z", "camera_id": camera, "verdict": verdict, "note": "", **state})


def written(folder: Path, *lines: str) -> Path:
    path = folder / "feedback.jsonl"
    path.write_text("".join(f"{entry}\n" for entry in lines))
    return path


def test_verdicts_are_counted_by_camera_and_by_assessment(tmp_path):
    path = written(
        tmp_path,
        line("ridge", "true_alarm"),
        line("ridge", "false_alarm", "uncertain"),
        line("coast", "false_alarm", None),
        line("ridge", "false_alarm", "uncertain"),
    )
    found = read_feedback(path)
    assert found["by_camera"] == {
        "coast": {"true_alarm": 0, "false_alarm": 1},
        "ridge": {"true_alarm": 1, "false_alarm": 2},
    }
    assert found["by_assessment"] == {
        "none": {"true_alarm": 0, "false_alarm": 1},
        "smoke": {"true_alarm": 1, "false_alarm": 0},
        "uncertain": {"true_alarm": 0, "false_alarm": 2},
    }
    assert "| ridge | 1 | 2 | 67% |" in feedback_table(found)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "line 2: no JSON"),
        ("[]", "line 2: found"),
        ('{"verdict": "true_alarm"}', "expected an object with a camera_id"),
        ('{"camera_id": "a", "verdict": "maybe"}', "line 2: verdict 'maybe'"),
        (line("a", "true_alarm").replace("2026-", "0001-"), "line 2: at '0001-"),
        (line("a", "true_alarm").replace("2026-", "9999-"), "line 2: at '9999-"),
    ],
)
def test_a_line_that_is_no_feedback_is_refused_with_its_number(tmp_path, text, words):
    with pytest.raises(DataError, match=words):
        read_feedback(written(tmp_path, line("a", "true_alarm"), text))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"absent\.jsonl: not found"):
        read_feedback(tmp_path / "absent.jsonl")


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.jsonl")
    with pytest.raises(DataError, match=r"pipe\.jsonl: found a folder, a pipe or a device, expected a file"):
        read_feedback(tmp_path / "pipe.jsonl")


def test_a_file_that_an_editor_saved_with_its_mark_is_read(tmp_path):
    path = written(tmp_path, line("ridge", "true_alarm"))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_feedback(path)["by_camera"] == {"ridge": {"true_alarm": 1, "false_alarm": 0}}


POINTS = OperatingPoints(
    0.95,
    159,
    110,
    (
        OperatingPoint(0.4, 0.2, 0.3, 1.0),
        OperatingPoint(0.6, 0.05, 0.12345, 0.9),
        OperatingPoint(0.8, 0.01, 0.05, 0.8),
        OperatingPoint(0.9, 0.01, 0.05, 0.6),
    ),
)


@pytest.fixture
def manifest(release) -> Manifest:
    return dataclasses.replace(Manifest.read(release), operating_points=POINTS)


def alarm(manifest: Manifest, camera: str, verdict: str, silent_above: float | None, day: int = 1, **changes) -> str:
    """A line of an alarm of its own, raised at noon of a day of May at threshold .5."""
    noon = f"2026-05-{day:02}T12:00:00.000Z"
    said = {"at": noon, "camera_id": camera, "verdict": verdict, "alarm": {"state": "alarm", "since": noon}}
    heard = {"model": {"sha256": manifest.sha256}, "threshold": 0.5, "silent_above": silent_above}
    return json.dumps({**said, **heard, **changes})


def test_each_threshold_from_that_in_force_up_says_what_it_would_have_spared_and_cost(tmp_path, manifest):
    path = written(
        tmp_path,
        alarm(manifest, "ridge", "false_alarm", 0.55),
        alarm(manifest, "ridge", "false_alarm", 0.7, day=2),
        alarm(manifest, "coast", "false_alarm", 0.85, day=3),
        alarm(manifest, "coast", "true_alarm", 0.95, day=10),
        alarm(manifest, "coast", "true_alarm", 0.75, day=9),
    )
    found = by_threshold(path, manifest, Watch())
    rows = {row["threshold"]: row for row in found["rows"]}
    assert {t: (row["false_alarms"], row["true_alarms"]) for t, row in rows.items()} == {
        0.5: (3, 2),
        0.6: (2, 2),
        0.8: (1, 1),
        0.9: (0, 1),
    }
    # Two cameras for ten days: two of ten and one of ten camera-days have a false alarm at .5.
    assert (found["cameras"], found["days"]) == (2, 10)
    assert (rows[0.5]["share"], rows[0.5]["false_per_camera_day"]) == (pytest.approx(0.15), 0.15)
    assert rows[0.9]["upper_bound"] == upper_bound(0.0, 2)
    assert found["by_camera"]["ridge"] == {"true_alarm": [0, 0, 0, 0], "false_alarm": [2, 1, 0, 0]}
    table = threshold_table(found)
    assert "| 0.6 | 0.1235 | 1 of 3 | 0 of 2 | 0.1 | 10.0% |" in table
    assert "| 0.9 | - | 3 of 3 | 1 of 2 |" in table  # the rate of .05 takes .8


def test_the_rate_to_set_has_the_service_take_that_threshold(tmp_path, manifest):
    found = by_threshold(written(tmp_path, alarm(manifest, "a", "false_alarm", 0.7)), manifest, Watch())
    rates = {row["threshold"]: row["rate_to_set"] for row in found["rows"]}
    assert {t: rate and POINTS.at_rate(rate).threshold for t, rate in rates.items()} == {
        0.5: None,
        0.6: 0.6,
        0.8: 0.8,
        0.9: None,
    }


def test_what_was_watched_for_long_takes_no_more_memory(tmp_path, manifest):
    """100,000 cameras for 100,000 days took all that a machine had."""
    path = written(tmp_path, alarm(manifest, "a", "false_alarm", 0.7))
    tracemalloc.start()
    row = by_threshold(path, manifest, Watch(2, 100_000))["rows"][0]
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert row["share"] == pytest.approx(1 / 100_000 / 2)
    assert peak_bytes < 5_000_000


def test_cameras_without_an_alarm_and_more_days_make_the_bound_smaller(tmp_path, manifest):
    path = written(tmp_path, alarm(manifest, "a", "false_alarm", 0.7), alarm(manifest, "a", "false_alarm", 0.7, day=2))
    shown, watched = (by_threshold(path, manifest, watch)["rows"][0] for watch in (Watch(), Watch(50, 20)))
    assert (shown["share"], shown["upper_bound"]) == (1.0, 1.0)
    assert watched["share"] == pytest.approx(2 / 20 / 50)
    assert watched["false_per_camera_day"] == 2 / 1000
    assert watched["upper_bound"] == pytest.approx(upper_bound(0.002, 50))


def test_two_false_alarms_of_a_camera_on_a_day_are_one_camera_day_with_one(tmp_path, manifest):
    later = {"state": "clear", "since": "2026-05-01T18:00:00Z"}
    lines = [alarm(manifest, "a", "false_alarm", 0.7), alarm(manifest, "a", "false_alarm", 0.7, alarm=later)]
    row = by_threshold(written(tmp_path, *lines), manifest, Watch(1, 10))["rows"][0]
    assert (row["share"], row["false_per_camera_day"]) == (0.1, 0.2)


def test_who_judges_an_alarm_twice_means_the_last(tmp_path, manifest):
    path = written(tmp_path, *(alarm(manifest, "a", verdict, 0.7) for verdict in ("false_alarm", "true_alarm")))
    assert by_threshold(path, manifest, Watch())["alarms"] == {"true_alarm": 1, "false_alarm": 0}


def test_an_alarm_that_does_not_say_where_it_had_been_silent_counts_as_the_worse(tmp_path, manifest):
    path = written(
        tmp_path,
        alarm(manifest, "a", "false_alarm", 0.55),
        alarm(manifest, "a", "false_alarm", None, day=2),
        alarm(manifest, "a", "true_alarm", None, day=3),
    )
    found = by_threshold(path, manifest, Watch())
    assert found["unknown"] == 2
    assert [(row["false_alarms"], row["true_alarms"]) for row in found["rows"]] == [(2, 1), (1, 0), (1, 0), (1, 0)]


def test_lines_of_other_weights_and_of_no_alarm_are_left_out(tmp_path, manifest):
    other, review = {"model": {"sha256": "0" * 64}}, {"alarm": {"state": "review", "since": "2026-05-03T12:00:00Z"}}
    path = written(
        tmp_path,
        alarm(manifest, "a", "false_alarm", 0.7),
        alarm(manifest, "a", "false_alarm", 0.7, day=2, **other),
        alarm(manifest, "a", "false_alarm", None, day=3, **review),
    )
    found = by_threshold(path, manifest, Watch())
    assert (found["lines"], found["left_out"], found["alarms"]["false_alarm"]) == (3, 2, 1)


def test_below_the_highest_threshold_that_was_in_force_nothing_is_said(tmp_path, manifest):
    path = written(
        tmp_path, alarm(manifest, "a", "false_alarm", 0.7), alarm(manifest, "b", "true_alarm", 0.9, threshold=0.7)
    )
    assert [row["threshold"] for row in by_threshold(path, manifest, Watch())["rows"]] == [0.7, 0.8, 0.9]


def test_a_release_without_operating_points_is_held_against_the_levels_that_evaluate_looks_at(tmp_path, manifest):
    bare = dataclasses.replace(manifest, operating_points=None)
    rows = by_threshold(written(tmp_path, alarm(manifest, "a", "false_alarm", 0.7)), bare, Watch())["rows"]
    assert [row["threshold"] for row in rows[:2]] == [0.5, 136 / 256]
    assert {row["rate_to_set"] for row in rows} == {None}


@pytest.mark.parametrize("watch", [Watch(1, None), Watch(None, 1)])
def test_more_alarms_than_were_watched_for_are_refused(tmp_path, manifest, watch):
    path = written(tmp_path, alarm(manifest, "a", "false_alarm", 0.7), alarm(manifest, "b", "false_alarm", 0.7, day=2))
    with pytest.raises(DataError, match="expected at least the 2 and 2 of the alarms"):
        by_threshold(path, manifest, watch)


def test_a_file_that_says_nowhere_when_an_alarm_had_been_silent_is_refused(tmp_path, manifest):
    for lines in ([line("ridge", "true_alarm")], [alarm(manifest, "a", "false_alarm", None)]):
        with pytest.raises(DataError, match=r"found 1 lines, none of an alarm of smoke-test-0\.0\.1 with silent_above"):
            by_threshold(written(tmp_path, *lines), manifest, Watch())


def test_a_file_of_another_release_is_refused_with_its_name(tmp_path, manifest):
    other = {"model": {"name": "smoke-test", "version": "0.0.0", "sha256": "f" * 64}}
    path = written(tmp_path, alarm(manifest, "a", "false_alarm", 0.7, **other))
    with pytest.raises(DataError, match=r"of other releases smoke-test-0\.0\.0; expected .* while it served"):
        by_threshold(path, manifest, Watch())


def test_a_value_that_is_impossible_is_refused_with_its_line(tmp_path, manifest):
    with pytest.raises(DataError, match=r"line 1: silent_above '1\.5'"):
        by_threshold(written(tmp_path, alarm(manifest, "a", "false_alarm", 1.5)), manifest, Watch())
