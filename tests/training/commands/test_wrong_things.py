"""Whatever a command is given, a person gets one line and an exit code, never a traceback."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.training.conftest import Run
from tests.wrong_things import WRONG
from training.__main__ import main
from training.commands import measure
from training.commands import run as running

Call = Callable[[Path, Run, Path], list[str | Path]]
"""Wrong thing, a run that is done and a folder to work in -> arguments."""


def _with_manifest(wrong: Path, run: Run, folder: Path) -> Path:
    data = shutil.copytree(run.data, folder / "data")
    (data / "manifest.csv").unlink()
    if wrong.exists():
        (shutil.copytree if wrong.is_dir() else shutil.copy)(wrong, data / "manifest.csv")
    return data


def _with_picture(wrong: Path, run: Run, folder: Path, file: str) -> Path:
    data = shutil.copytree(run.data, folder / "data")
    (data / file).unlink()
    if wrong.exists():
        (shutil.copytree if wrong.is_dir() else shutil.copy)(wrong, data / file)
    return data


def _reading(command: str) -> Call:
    """A command that reads data, with a manifest that is none."""
    return lambda wrong, run, folder: [
        *(command, run.checkpoint if command == "evaluate" else "tiny" if command != "quantise" else folder),
        *("--data", _with_manifest(wrong, run, folder), "--out", folder / "out"),
    ]


CALLS: dict[str, Call] = {
    "train CONFIG": lambda wrong, run, folder: ["train", wrong, "--data", run.data, "--out", folder / "out"],
    "train --data": lambda wrong, _, folder: ["train", "tiny", "--data", wrong, "--out", folder / "out"],
    "train --out below": lambda wrong, run, _: ["train", "tiny", "--data", run.data, "--out", wrong / "a"],
    "train from it": lambda wrong, run, folder: [
        *("train", "tiny", "--data", run.data, "--out", folder / "out", "--set", f"initial={wrong}")
    ],
    "train with a picture": lambda wrong, run, folder: [
        *("train", "tiny", "--data", _with_picture(wrong, run, folder, "img/cam-a-0.png"), "--out", folder / "out")
    ],
    "train with a mask": lambda wrong, run, folder: [
        *("train", "tiny", "--data", _with_picture(wrong, run, folder, "gt/cam-a-0.png"), "--out", folder / "out")
    ],
    "ablate CONFIG": lambda wrong, run, folder: ["ablate", wrong, "--data", run.data, "--out", folder / "out"],
    "evaluate MODEL": lambda wrong, run, folder: ["evaluate", wrong, "--data", run.data, "--out", folder / "out"],
    "export CHECKPOINT": lambda wrong, _, folder: ["export", wrong, "--version", "0.1.0", "--out", folder / "out"],
    "export --evaluation": lambda wrong, run, folder: [
        *("export", run.checkpoint, "--version", "0.1.0", "--out", folder / "out", "--evaluation", wrong)
    ],
    "export --ablation": lambda wrong, run, folder: [
        *("export", run.checkpoint, "--version", "0.1.0", "--out", folder / "out", "--ablation", wrong)
    ],
    "quantise RELEASE": lambda wrong, run, folder: ["quantise", wrong, "--data", run.data, "--out", folder / "out"],
    "rank FOLDER": lambda wrong, run, folder: ["rank", wrong, "--model", run.checkpoint, "--out", folder / "out"],
    **{
        f"rank --{option}": lambda wrong, run, folder, option=option: [
            *("rank", run.data, "--model", run.checkpoint, "--out", folder / "out", f"--{option}", wrong)
        ]
        for option in ("model", "labelled")
    },
    **{
        f"evaluate --{option}": lambda wrong, run, folder, option=option: [
            *("evaluate", run.checkpoint, "--data", run.data, "--out", folder / "out", f"--{option}", wrong)
        ]
        for option in ("subset", "beside", "feedback")
    },
    **{f"{command} with a manifest": _reading(command) for command in ("train", "ablate", "evaluate", "quantise")},
}
PASS = {
    "train --out below": ("nothing", "a folder"),
    "evaluate --feedback": ("an empty file",),
}
"""Nothing is wrong with these."""


@pytest.mark.parametrize(
    ("call", "thing"), [(call, thing) for call in CALLS for thing in WRONG if thing not in PASS.get(call, ())]
)
def test_a_wrong_thing_is_refused_in_one_line(tiny_run, tmp_path, capfd, call, thing):
    (tmp_path / "work").mkdir()
    wrong = tmp_path / "wrong"
    WRONG[thing](wrong)
    arguments = [str(argument) for argument in CALLS[call](wrong, tiny_run, tmp_path / "work")]
    assert main(arguments) == 2
    said = capfd.readouterr().err
    assert "Traceback" not in said
    assert said.splitlines()[-1].startswith(f"smoke-bvm-train {arguments[0]}: ")


def test_a_place_that_takes_no_report_is_told_before_anything_is_scored(tiny_run, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(measure, "calibrate", broken)
    (tmp_path / "file").touch()
    arguments = ["evaluate", str(tiny_run.checkpoint), "--data", str(tiny_run.data), "--out", str(tmp_path / "file")]
    assert main(arguments) == 2
    assert "File exists" in capfd.readouterr().err


def broken(*_: object) -> None:
    raise RuntimeError("two\nlines")


def stopped(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("failure", "code", "words"),
    [
        (broken, 70, "unexpected RuntimeError: two lines; with PYTHONDEVMODE=1 it says where"),
        (stopped, 130, "stopped"),
    ],
)
def test_what_nobody_thought_of_is_one_line(capsys, data, monkeypatch, failure, code, words):
    monkeypatch.setattr(running, "read_config", failure)
    assert main(["train", "tiny", "--data", str(data)]) == code
    assert capsys.readouterr().err == f"smoke-bvm-train train: {words}\n"
