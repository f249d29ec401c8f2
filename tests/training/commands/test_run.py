"""What is refused is one line on stderr, and what was there before stays."""

import json
import shutil

import cv2
import numpy as np
import pytest

from tests.training.commands.conftest import FULL, refusal
from tests.training.conftest import tiny
from tests.training.rendered import HEIGHT_PX, WIDTH_PX
from training.__main__ import main
from training.commands import run as running
from training.config import parse_config
from training.engine.run import Interrupted
from training.evaluation.predictor import sha256_of


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
