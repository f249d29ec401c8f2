"""`evaluate` and `calibrate`: nothing half is left, and what was changed meanwhile is no report."""

import json
import shutil
from pathlib import Path

import pytest

from models.close_ups import CloseUps
from models.manifest import Manifest
from tests.training.commands.conftest import FULL, refusal
from training.__main__ import main
from training.commands import measure
from training.data.files import DataError
from training.evaluation.predictor import sha256_of


def test_a_folder_that_is_no_release_is_one_line(capsys, data, tmp_path):
    assert "manifest.json: not found" in refusal(capsys, "evaluate", tmp_path, "--data", data)


def test_a_checkpoint_has_one_precision(capsys, data, tiny_run):
    line = refusal(capsys, "evaluate", tiny_run.checkpoint, "--precision", "int8", "--data", data)
    assert line.endswith("found --precision int8 with a checkpoint, expected a release folder")


def test_a_release_does_not_sample(capsys, data, release):
    line = refusal(capsys, "evaluate", release, "--samples", "5", "--data", data)
    assert line.endswith("found --samples with a release folder, expected a checkpoint: a release does not sample")


def test_an_evaluation_is_of_the_precision_that_is_asked_for(capsys, data, release, tmp_path):
    line = refusal(capsys, "evaluate", release, "--precision", "int8", "--data", data, "--out", tmp_path / "out")
    assert line.endswith("found models fp32, expected int8 among them")


def test_frames_that_are_changed_while_they_are_scored_give_no_report(capsys, data, tiny_run, tmp_path, monkeypatch):
    copy, calibrate = shutil.copytree(data, tmp_path / "data"), measure.calibrate

    def calibrate_and_lose_a_frame(*arguments):
        listed = (copy / "manifest.csv").read_text().splitlines(keepends=True)
        (copy / "manifest.csv").write_text("".join(row for row in listed if "cam-c-1" not in row))
        return calibrate(*arguments)

    monkeypatch.setattr(measure, "calibrate", calibrate_and_lose_a_frame)
    line = refusal(capsys, "evaluate", tiny_run.checkpoint, "--data", copy, "--out", tmp_path / "out")
    assert "manifest.csv: found other frames than at the beginning" in line
    assert not (tmp_path / "out/report.json").exists()


@pytest.mark.parametrize(
    ("chosen", "close_ups", "minimum_region"),
    [([], CloseUps(), 0.0001), (["--no-close-ups"], None, 0.0002), (["--tiles", "2x2"], None, 0.0002)],
)
def test_a_checkpoint_is_scored_with_close_ups_unless_something_else_is_said(
    capsys, data, tiny_run, tmp_path, monkeypatch, chosen, close_ups, minimum_region
):
    def tell(predictor, *_):
        raise DataError(f"{predictor.close_ups} {predictor.minimum_region}")

    monkeypatch.setattr(measure, "calibrate", tell)
    line = refusal(capsys, "evaluate", tiny_run.checkpoint, "--data", data, "--out", tmp_path / "out", *chosen)
    assert line.endswith(f"{close_ups} {minimum_region}")


def test_a_checkpoint_that_is_replaced_while_it_is_scored_is_sampled_as_it_was(tiny_run, tmp_path, monkeypatch):
    checkpoint, calibrate = Path(shutil.copy(tiny_run.checkpoint, tmp_path)), measure.calibrate

    def calibrate_and_replace(*arguments):
        checkpoint.write_bytes(b"another")
        return calibrate(*arguments)

    monkeypatch.setattr(measure, "calibrate", calibrate_and_replace)
    arguments = ["evaluate", checkpoint, "--data", tiny_run.data, "--samples", "5", "--out", tmp_path / "out"]
    assert main([str(argument) for argument in arguments]) == 0
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["model_sha256"] == sha256_of(tiny_run.checkpoint)
    assert report["sampling_free"]["samples"] == 5


@pytest.mark.parametrize("name", ["report.json", "report.md", "reliability.png", "contact_sheet.png", "worst.png"])
def test_a_disk_that_is_full_leaves_the_last_report_and_is_named(capsys, tiny_run, tmp_path, full_from, name):
    (tmp_path / name).write_text("the last one")
    full_from(name)
    line = refusal(capsys, "evaluate", tiny_run.checkpoint, "--data", tiny_run.data, "--out", tmp_path)
    assert f"{FULL}: '{tmp_path / name}'" in line
    assert (tmp_path / name).read_text() == "the last one"
    assert not list(tmp_path.glob("*.unfinished"))


def test_a_list_that_names_an_unknown_frame_is_one_line(capsys, data, tiny_run, tmp_path):
    (tmp_path / "list.txt").write_text("img/absent.png\n")
    line = refusal(capsys, "evaluate", tiny_run.checkpoint, "--data", data, "--subset", tmp_path / "list.txt")
    assert "list.txt: 1 of 1 names are of no frame of the split, the first is 'img/absent.png'" in line


@pytest.mark.parametrize("text", ["", "[]", '{"threshold": 0.5}'])
def test_a_report_of_another_kind_cannot_stand_beside(capsys, data, tiny_run, tmp_path, text):
    (tmp_path / "report.json").write_text(text)
    line = refusal(capsys, "evaluate", tiny_run.checkpoint, "--data", data, "--beside", tmp_path / "report.json")
    assert "report.json: no report.json of `evaluate`" in line


def test_the_alarms_that_people_judged_are_held_against_a_release_and_the_numbers_written(capsys, release, tmp_path):
    weights = {"sha256": Manifest.read(release).sha256}
    line = {"at": "2026-05-01T12:00:00Z", "camera_id": "a", "verdict": "false_alarm", "model": weights}
    (tmp_path / "feedback.jsonl").write_text(json.dumps({**line, "threshold": 0.5, "silent_above": 0.6}))
    arguments = ["calibrate", str(release), "--feedback", str(tmp_path / "feedback.jsonl")]
    assert main([*arguments, "--cameras", "40", "--days", "30", "--out", str(tmp_path / "numbers.json")]) == 0
    assert "40 cameras for 30 days" in " ".join(capsys.readouterr().out.split())
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    assert numbers["rows"][0]["share"] == pytest.approx(1 / 30 / 40)
    assert numbers["rows"][-1]["false_alarms"] == 0


def test_feedback_that_says_nothing_of_the_release_is_one_line(capsys, release, tmp_path):
    (tmp_path / "feedback.jsonl").write_text("")
    line = refusal(capsys, "calibrate", release, "--feedback", tmp_path / "feedback.jsonl")
    assert "found 0 lines, none of an alarm of smoke-test-0.0.1 with silent_above" in line
