"""The commands from end to end: each refusal is one line, and train, evaluate, export follow each other."""

import errno
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.close_ups import CloseUps
from models.manifest import OUTPUTS, Manifest
from tests.training.conftest import tiny
from tests.training.rendered import HEIGHT_PX, WIDTH_PX
from training.__main__ import main
from training.commands import run as running
from training.config import parse_config
from training.data.files import DataError
from training.data.folders import read_frames
from training.data.frames import load_image
from training.engine.run import Interrupted
from training.evaluation.predictor import calibrated, load_predictor, sha256_of
from training.metrics.calibration import Calibration

SHORT = (
    *("--set", "generator.stages=[{steps=3,batch=2,size_px=64}]"),
    *("--set", "estimator.stages=[{steps=2,batch=2,size_px=64}]"),
)

ABLATED = {"command": "ablate", "what": "without sky", "views": 12} | {
    score: (0.5, [0.4, 0.6])
    for score in (
        "mean F-beta, raw",
        "mMSE, raw",
        "F-beta",
        "maximal F-beta",
        "mMSE",
        "false alarms",
        "ECE as trained",
        "ECE after temperature",
    )
}


def refusal(capsys, *arguments: str | Path) -> str:
    """The one line on stderr of a call that is refused."""
    assert main([str(argument) for argument in arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"smoke-bvm-train {arguments[0]}: ")
    return line


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["speed=1"], "speed: Extra inputs are not permitted"),
        (["seed"], "expected section.key=value"),
        (["network.encoder=resnet5O"], "'resnet5O' is none that timm"),
        (["network.encoder_weights=imagenet"], "network.encoder_weights=FILE"),
        (["network.encoder_weights=absent.pth"], "absent.pth"),
        (["data.mix={synthetic=1}"], "'synthetic'"),
        (["accelerator=tpu"], "accelerator 'tpu', devices 1, precision '32-true': Requirement 'torch_xla"),
        (["accelerator=gpuu"], "accelerator 'gpuu', devices 1, precision '32-true': "),
    ],
)
def test_a_wrong_configuration_is_one_line(capsys, data, tmp_path, overrides, words):
    settings = [part for override in overrides for part in ("--set", override)]
    assert words in refusal(capsys, "train", "tiny", "--data", data, "--out", tmp_path / "run", *settings)
    assert not (tmp_path / "run/last.ckpt").exists()


def test_a_missing_configuration_is_one_line(capsys, data, tmp_path):
    line = refusal(capsys, "train", tmp_path / "absent.toml", "--data", data, "--out", tmp_path / "run")
    assert "absent.toml: no such file, nor a preset" in line


def test_a_folder_without_data_is_one_line_that_leaves_no_run_behind(capsys, tmp_path):
    line = refusal(capsys, "train", "tiny", "--data", tmp_path, "--out", tmp_path / "run")
    assert "holds no pictures, and no manifest.csv" in line
    assert not (tmp_path / "run/config.json").exists()


@pytest.mark.parametrize("kind", ["clear", "real_smoke_box"])
@pytest.mark.parametrize(
    "command",
    [("train",), ("train", "--seeds", "2"), ("ablate",), ("compare",), ("compare", "--figure", "1"), ("evaluate",)],
)
def test_a_val_that_shows_no_smoke_by_the_pixel_is_refused_before_the_first_step(
    capsys, data, tiny_run, tmp_path, kind, command
):
    copy = shutil.copytree(data, tmp_path / "data")
    head, *rows = (copy / "manifest.csv").read_text().splitlines()
    cells = [row.split(",") for row in rows]
    boxes = "1 1 9 9" if kind == "real_smoke_box" else ""
    kept = [row if row[4] == "train" else [row[0], "", kind, row[3], "val"] for row in cells]
    lines = [",".join([*row, boxes if row[4] == "val" else ""]) for row in kept]
    (copy / "manifest.csv").write_text("\n".join([f"{head},boxes", *lines]))
    model = tiny_run.checkpoint if command[0] == "evaluate" else "tiny"
    line = refusal(capsys, command[0], model, *command[1:], "--data", copy, "--out", tmp_path / "run")
    assert "split 'val' has " in line
    assert (
        "smoke frames of 0 camera groups" if kind == "clear" else "real_smoke_box alone, which are not scored"
    ) in line
    assert not (tmp_path / "run/steps.csv").exists()


def test_frames_without_a_share_are_told_before_the_first_step(capsys, data, tmp_path, monkeypatch):
    monkeypatch.setattr(running, "train", lambda *_: tmp_path / "last.ckpt")
    command = ["train", "tiny", "--data", str(data), "--out", str(tmp_path / "run")]
    assert main([*command, "--set", "data.mix={clear=1}"]) == 0
    assert "8 frames of train are real_smoke, to which data.mix gives no share" in capsys.readouterr().out
    assert main(command) == 0
    assert "no share" not in capsys.readouterr().out


def test_a_run_folder_that_is_a_file_is_one_line(capsys, data, tmp_path):
    (tmp_path / "run").write_text("a file")
    assert str(tmp_path / "run") in refusal(capsys, "train", "tiny", "--data", data, "--out", tmp_path / "run")


def test_a_broken_picture_in_a_loaders_process_is_one_line_with_its_name(capsys, data, tmp_path, monkeypatch):
    monkeypatch.setattr(running, "check_frames", lambda _: None)  # it was whole before the first step
    broken = shutil.copytree(data, tmp_path / "data")
    for picture in (broken / "img").glob("cam-[ab]-*.png"):
        picture.write_bytes(b"no picture")
    line = refusal(capsys, "train", "tiny", "--data", broken, "--out", tmp_path / "run", "--set", "workers=1")
    assert line.startswith(f"smoke-bvm-train train: {broken / 'img'}")
    assert "not a picture that OpenCV can read" in line
    assert str(broken / "img") in line


@pytest.mark.parametrize("command", ["train", "ablate", "evaluate", "quantise"])
def test_data_that_cannot_be_used_are_one_line_before_the_first_step(capsys, data, tiny_run, tmp_path, command):
    broken = shutil.copytree(data, tmp_path / "data")
    for mask in (broken / "gt").glob("*.png"):
        cv2.imwrite(str(mask), np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8))
    what = {"evaluate": tiny_run.checkpoint, "quantise": tmp_path}.get(command, "tiny")
    line = refusal(capsys, command, what, "--data", broken, "--out", tmp_path / "run")
    assert "frames of kind real_smoke are empty" in line
    assert not (tmp_path / "run/config.json").exists()


def test_the_configuration_of_a_run_stays_beside_it_when_another_is_refused(capsys, tiny_run, tmp_path):
    out = shutil.copytree(tiny_run.checkpoint.parent, tmp_path / "run")
    before = (out / "config.json").read_text()
    assert "made with configuration" in refusal(
        capsys, "train", "tiny", "--data", tiny_run.data, "--out", out, "--set", "seed=2"
    )
    assert (out / "config.json").read_text() == before
    assert parse_config(json.loads(before), "config.json") == tiny()


@pytest.mark.parametrize("command", ["evaluate", "export"])
@pytest.mark.parametrize(("content", "words"), [(None, "not found"), (b"no checkpoint", "")])
def test_a_file_that_is_no_checkpoint_is_one_line(capsys, data, tmp_path, command, content, words):
    path = tmp_path / "model.ckpt"
    if content is not None:
        path.write_bytes(content)
    rest = ["--data", data] if command == "evaluate" else ["--version", "0.1.0"]
    line = refusal(capsys, command, path, *rest, "--out", tmp_path / "out")
    assert f"{path}: {words}" in line


def test_a_folder_that_is_no_release_is_one_line(capsys, data, tmp_path):
    assert "manifest.json: not found" in refusal(capsys, "evaluate", tmp_path, "--data", data)


@pytest.mark.parametrize("text", ["", "[]", "{}", "{"])
def test_a_report_that_is_none_is_one_line_and_nothing_is_released(capsys, tiny_run, tmp_path, text):
    (tmp_path / "report.json").write_text(text)
    arguments = ("export", tiny_run.checkpoint, "--version", "0.1.0", "--evaluation", tmp_path / "report.json")
    line = refusal(capsys, *arguments, "--out", tmp_path / "released")
    assert "report.json: no report.json of `evaluate`" in line
    assert not (tmp_path / "released").exists()


@pytest.mark.parametrize("sha256", ["0" * 64, "", None])
def test_a_report_of_other_weights_is_one_line_and_nothing_is_released(capsys, tiny_run, tmp_path, sha256):
    (tmp_path / "report.json").write_text(json.dumps({"threshold": 0.5, "model_sha256": sha256}))
    arguments = ("export", tiny_run.checkpoint, "--version", "0.1.0", "--evaluation", tmp_path / "report.json")
    line = refusal(capsys, *arguments, "--out", tmp_path / "released")
    found = "of weights 000000000000" if sha256 else "of weights that an earlier version did not name"
    assert f"report.json: {found}, expected those of {tiny_run.checkpoint}" in line
    assert not (tmp_path / "released").exists()


def test_a_report_that_lacks_numbers_is_one_line_and_nothing_is_released(capsys, tiny_run, tmp_path):
    (tmp_path / "report.json").write_text(
        json.dumps({"threshold": 0.5, "model_sha256": sha256_of(tiny_run.checkpoint)})
    )
    arguments = ("export", tiny_run.checkpoint, "--version", "0.1.0", "--evaluation", tmp_path / "report.json")
    line = refusal(capsys, *arguments, "--out", tmp_path / "released")
    assert "report.json: no report.json of `evaluate`: " in line
    assert not (tmp_path / "released").exists()


def test_frames_that_are_changed_while_they_are_scored_give_no_report(capsys, data, tiny_run, tmp_path, monkeypatch):
    copy, calibrate = shutil.copytree(data, tmp_path / "data"), running.calibrate

    def calibrate_and_lose_a_frame(*arguments):
        listed = (copy / "manifest.csv").read_text().splitlines(keepends=True)
        (copy / "manifest.csv").write_text("".join(row for row in listed if "cam-c-1" not in row))
        return calibrate(*arguments)

    monkeypatch.setattr(running, "calibrate", calibrate_and_lose_a_frame)
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

    monkeypatch.setattr(running, "calibrate", tell)
    line = refusal(capsys, "evaluate", tiny_run.checkpoint, "--data", data, "--out", tmp_path / "out", *chosen)
    assert line.endswith(f"{close_ups} {minimum_region}")


def test_a_checkpoint_that_is_replaced_while_it_is_scored_is_sampled_as_it_was(tiny_run, tmp_path, monkeypatch):
    checkpoint, calibrate = Path(shutil.copy(tiny_run.checkpoint, tmp_path)), running.calibrate

    def calibrate_and_replace(*arguments):
        checkpoint.write_bytes(b"another")
        return calibrate(*arguments)

    monkeypatch.setattr(running, "calibrate", calibrate_and_replace)
    arguments = ["evaluate", checkpoint, "--data", tiny_run.data, "--samples", "5", "--out", tmp_path / "out"]
    assert main([str(argument) for argument in arguments]) == 0
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["model_sha256"] == sha256_of(tiny_run.checkpoint)
    assert report["sampling_free"]["samples"] == 5


FULL = "[Errno 28] No space left on device"


@pytest.fixture
def full_from(monkeypatch) -> Callable[[str], None]:
    """A disk that takes half of the files of a name, as one that is full does: `full_from("report.json")`."""
    names: list[str] = []
    write = Path.write_bytes

    def half(path: Path, content: bytes) -> int:
        if path.name.removesuffix(".unfinished") not in names:
            return write(path, content)
        write(path, content[: len(content) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", half)
    return names.append


@pytest.mark.parametrize("name", ["report.json", "report.md", "reliability.png", "contact_sheet.png", "worst.png"])
def test_a_disk_that_is_full_leaves_the_last_report_and_is_named(capsys, tiny_run, tmp_path, full_from, name):
    (tmp_path / name).write_text("the last one")
    full_from(name)
    line = refusal(capsys, "evaluate", tiny_run.checkpoint, "--data", tiny_run.data, "--out", tmp_path)
    assert f"{FULL}: '{tmp_path / name}'" in line
    assert (tmp_path / name).read_text() == "the last one"
    assert not list(tmp_path.glob("*.unfinished"))


def test_a_disk_that_is_full_leaves_the_configuration_of_a_run(capsys, tiny_run, tmp_path, full_from):
    run = shutil.copytree(tiny_run.checkpoint.parent, tmp_path / "run")
    before = (run / "config.json").read_text()
    full_from("config.json")
    assert f"{FULL}: '{run / 'config.json'}'" in refusal(capsys, "train", "tiny", "--data", tiny_run.data, "--out", run)
    assert (run / "config.json").read_text() == before


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize("name", ["frame.png", "answer.png"])
def test_a_release_whose_pictures_find_the_disk_full_is_none(capsys, tiny_run, tmp_path, full_from, name):
    full_from(name)
    out = tmp_path / "released"
    assert FULL in refusal(capsys, "export", tiny_run.checkpoint, "--version", "0.1.0", "--out", out)
    assert list(out.iterdir()) == []


def test_a_run_that_was_asked_to_stop_says_how_to_go_on(capsys, data, tmp_path, monkeypatch):
    def stop(*_: object) -> None:
        raise Interrupted("stopped after step 3 of phase generator; the same command resumes")

    monkeypatch.setattr(running, "train", stop)
    assert main(["train", "tiny", "--data", str(data), "--out", str(tmp_path)]) == 130
    assert capsys.readouterr().err == "stopped after step 3 of phase generator; the same command resumes\n"


def test_a_list_that_names_an_unknown_frame_is_one_line(capsys, data, tiny_run, tmp_path):
    (tmp_path / "list.txt").write_text("img/absent.png\n")
    line = refusal(capsys, "evaluate", tiny_run.checkpoint, "--data", data, "--subset", tmp_path / "list.txt")
    assert "list.txt: 1 of 1 names are of no frame of the split, the first is 'img/absent.png'" in line


@pytest.mark.parametrize("text", ["", "[]", '{"threshold": 0.5}'])
def test_a_report_of_another_kind_cannot_stand_beside(capsys, data, tiny_run, tmp_path, text):
    (tmp_path / "report.json").write_text(text)
    line = refusal(capsys, "evaluate", tiny_run.checkpoint, "--data", data, "--beside", tmp_path / "report.json")
    assert "report.json: no report.json of `evaluate`" in line


def test_train_evaluate_export_and_evaluate_again(capsys, data, tmp_path):
    run, report, released = tmp_path / "run", tmp_path / "report", tmp_path / "released"
    assert main(["train", "tiny", "--data", str(data), "--out", str(run), *SHORT]) == 0
    sampled = ["--samples", "5", "--data", str(data), "--out", str(report)]
    assert main(["evaluate", str(run / "last.ckpt"), *sampled]) == 0
    arguments = ["--version", "0.2.0", "--evaluation", str(report / "report.json"), "--out", str(released)]
    (tmp_path / "ablation.json").write_text(json.dumps([ABLATED]))
    arguments += ["--remark", "Stopped twice.", "--ablation", str(tmp_path / "ablation.json")]
    assert main(["export", str(run / "last.ckpt"), *arguments]) == 0
    release = released / "smoke-tiny-0.2.0"
    beside = ["--beside", str(report / "report.json"), "--out", str(tmp_path / "again")]
    assert main(["evaluate", str(release), "--data", str(data), *beside]) == 0
    told = capsys.readouterr().out
    assert "val F-beta" in told
    assert "smoke-tiny-0.2.0" in told

    card = (release / "MODEL_CARD.md").read_text()
    assert card.index("Stopped twice.") < card.index("| without sky | 12 |") < card.index("## Measured")

    manifest = Manifest.read(release)
    manifest.verify(release)
    first = json.loads((report / "report.json").read_text())
    again = json.loads((tmp_path / "again/report.json").read_text())
    assert manifest.threshold == first["threshold"] == again["threshold"]
    assert manifest.numbers["at_threshold"] == first["at_threshold"]
    assert asdict(manifest.close_ups) == first["close_ups"] == again["close_ups"] == asdict(CloseUps())
    assert manifest.minimum_region == first["minimum_region"] == again["minimum_region"] == 0.0001
    whole = ["--no-close-ups", "--data", str(data), "--out", str(tmp_path / "whole")]
    assert main(["evaluate", str(release), *whole]) == 0
    assert json.loads((tmp_path / "whole/report.json").read_text())["close_ups"] is None
    assert set(manifest.reference) == {"brightness", "contrast", "epistemic", "novelty"}
    assert again["beside"]["calibration_table"] == first["calibration_table"]
    assert first["sampling_free"]["nested"]["latents"] == 5
    assert again["calibration_table"]["raw"]["ece"] == pytest.approx(first["calibration_table"]["raw"]["ece"], abs=0.01)
    assert "without L_c (checkpoint last.ckpt): raw" in (tmp_path / "again/report.md").read_text()
    assert again["at_threshold"]["mean_squared_error"] == pytest.approx(
        first["at_threshold"]["mean_squared_error"], abs=1e-4
    )
    assert (
        manifest.provenance["configuration_sha256"]
        == parse_config(json.loads((run / "config.json").read_text()), "config.json").sha256()
    )

    calibration = Calibration(**first["calibration"])
    by_torch = calibrated(load_predictor(run / "last.ckpt").predict, calibration)
    by_onnxruntime = load_predictor(release).predict
    for frame in read_frames(data, "val")[:3]:
        square = np.ascontiguousarray(load_image(frame.image)[:64, :64])
        for name, one, other in zip(OUTPUTS, by_torch(square).maps, by_onnxruntime(square).maps, strict=True):
            assert np.abs(one - other).max() <= 1e-4, name


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
