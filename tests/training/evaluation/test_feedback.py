"""What people said of alarms, counted."""

import json
from pathlib import Path

import pytest

from training.data.frames import DataError
from training.evaluation.feedback import feedback_table, read_feedback


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
    ],
)
def test_a_line_that_is_no_feedback_is_refused_with_its_number(tmp_path, text, words):
    with pytest.raises(DataError, match=words):
        read_feedback(written(tmp_path, line("a", "true_alarm"), text))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"absent\.jsonl: no file of feedback"):
        read_feedback(tmp_path / "absent.jsonl")
