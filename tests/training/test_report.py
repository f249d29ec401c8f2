"""The Markdown form: numbers as measured, dashes where there is nothing to measure."""

import json

import pytest

from training.report import markdown

FULL = {
    "threshold": 0.5,
    "f_beta": 0.6543,
    "iou": 0.5,
    "mean_squared_error": 0.00123,
    "zero_error": 0.004,
    "detection_rate": 0.75,
    "false_alarm_rate": 0.1,
    "smoke_frames": 8,
    "smoke_free_frames": 20,
}
FREE = {
    **FULL,
    "f_beta": None,
    "iou": None,
    "mean_squared_error": None,
    "zero_error": None,
    "detection_rate": None,
    "smoke_frames": 0,
}
SMOKE = {**FULL, "false_alarm_rate": None, "smoke_free_frames": 0}


@pytest.fixture
def report() -> dict:
    return {
        "model": "smoke-test-0.1.0",
        "split": "val",
        "cross_fitted": {**FULL, "f_beta": 0.6},
        "at_threshold": FULL,
        "f_beta_interval": [0.51, 0.72],
        "maximal_f_beta": 0.7,
        "ece": 0.01,
        "ece_unsure": 0.2,
        "doubt": {"true_regions": 7, "false_regions": 3, "epistemic": 0.75, "one_minus_probability": None},
        "by_size": {"under 0.1 %": SMOKE},
        "by_group": {"cam-free": FREE, "cam-smoke": SMOKE},
    }


def row(text: str, name: str) -> list[str]:
    (line,) = (line for line in text.splitlines() if line.startswith(f"| {name} |"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_a_row_holds_what_was_measured_with_counts(report):
    assert row(markdown(report), "one threshold for all") == [
        "0.500",
        "0.654",
        "0.500",
        "0.00123",
        "0.00400",
        "6 of 8",
        "2 of 20",
    ]


def test_what_cannot_be_measured_is_a_dash(report):
    text = markdown(report)
    assert row(text, "cam-free") == ["0.500", "-", "-", "-", "-", "-", "2 of 20"]
    assert row(text, "cam-smoke")[-2:] == ["6 of 8", "-"]


def test_rows_have_as_many_cells_as_their_header(report):
    tables = [line for line in markdown(report).splitlines() if line.startswith("|")]
    assert {line.count("|") for line in tables} == {9}


def test_model_split_interval_and_maximum_are_named(report):
    text = markdown(report)
    assert text.startswith("# smoke-test-0.1.0 on split `val`")
    assert "[0.510, 0.720]" in text
    assert "thresholds: 0.700" in text


def test_a_report_reads_the_same_after_it_was_a_file(report):
    assert markdown(json.loads(json.dumps(report))) == markdown(report)


def test_one_pass_against_sampling_is_a_table_where_it_was_measured(report):
    agreement = {
        "estimator": {"spearman": 0.9, "pearson": 0.8, "error_nats": 0.01},
        "trivial": {"spearman": 0.5, "pearson": 0.4, "error_nats": 0.2},
    }
    assert "samples" not in markdown(report)
    report["sampling_free"] = {
        "frames": 3,
        "samples": 50,
        "pixels": 1200,
        **dict.fromkeys(("total", "aleatoric", "epistemic"), agreement),
        "mean_absolute_difference": 0.001,
        "f_beta": {"deployed": 0.7, "sampled": 0.6},
        "seconds": {"deployed": 0.1, "sampled": 2.0, "ratio": 20.0},
    }
    text = markdown(report)
    assert "| epistemic | g_gamma | 0.900 | 0.800 | 0.0100 |" in text
    assert "| epistemic | trivial | 0.500 | 0.400 | 0.2000 |" in text
    assert "1,200 pixels" in text
    assert "20.0 times" in text
