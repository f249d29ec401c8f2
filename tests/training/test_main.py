"""The command line: what it understands, and the allocator's settings that only `train` starts itself again for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from training import __main__ as command_line
from training.__main__ import main

WANTED = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "100000000000"}


class Replaced(BaseException):
    """The process would be another one now."""


@pytest.fixture
def replaced(monkeypatch) -> list[tuple[list[str], dict[str, str]]]:
    """The commands and environments that this process would have become."""
    calls: list[tuple[list[str], dict[str, str]]] = []

    def become(_: str, arguments: list[str], environment: dict[str, str]) -> None:
        calls.append((arguments, environment))
        raise Replaced

    monkeypatch.setattr(os, "execve", become)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("PYTHONSAFEPATH", "")
    for name in WANTED:
        monkeypatch.delenv(name, raising=False)
    return calls


def called(monkeypatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["smoke-bvm-train", *arguments])
    with pytest.raises(Replaced):
        main()


def test_train_starts_itself_again_with_the_allocators_settings(replaced, monkeypatch):
    monkeypatch.setenv("KEPT", "yes")
    started = ["python3", "/usr/bin/smoke-bvm-train", "train", "tiny", "--data", "x", "--set", "seed=2"]
    monkeypatch.setattr(sys, "orig_argv", started)
    called(monkeypatch, *started[2:])
    ((arguments, environment),) = replaced
    assert arguments == started
    assert environment.items() >= {**WANTED, "KEPT": "yes"}.items()


def test_a_setting_of_the_users_stays(replaced, monkeypatch):
    monkeypatch.setenv("MALLOC_MMAP_MAX_", "7")
    called(monkeypatch, "train", "tiny", "--data", "x")
    assert replaced[0][1]["MALLOC_MMAP_MAX_"] == "7"


@pytest.mark.parametrize("value", ["0", ""])
def test_it_starts_itself_again_once_and_not_for_ever(replaced, monkeypatch, value):
    for name in WANTED:
        monkeypatch.setenv(name, value)
    command_line._with_allocator_settings()
    assert replaced == []


TRAP = "import pathlib; pathlib.Path({!r}).touch(); raise SystemExit('caught')\n"


@pytest.mark.slow
def test_neither_it_nor_its_loader_imports_from_the_working_directory(data, tmp_path):
    here, caught = tmp_path / "here", tmp_path / "caught"
    here.mkdir()
    for name in ("training", "models", "service", "torch", "numpy", "random", "multiprocessing", "pickle", "tempfile"):
        (here / f"{name}.py").write_text(TRAP.format(str(caught)))
    short = [f"{phase}.stages=[{{steps=1,batch=2,size_px=64}}]" for phase in ("generator", "estimator")]
    overrides = [part for override in (*short, "workers=1", "epoch_steps=1000") for part in ("--set", override)]
    command = [
        str(Path(sys.executable).with_name("smoke-bvm-train")),
        "train",
        "tiny",
        "--data",
        str(data),
        "--out",
        str(tmp_path / "run"),
        *overrides,
    ]
    environment = {
        name: value for name, value in os.environ.items() if name not in (*WANTED, "PYTHONSAFEPATH", "PYTHONPATH")
    }
    done = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, check=False)
    assert not caught.exists(), done.stderr
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run/last.ckpt").is_file()


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_elsewhere_than_on_linux_it_does_not(replaced, monkeypatch, platform):
    monkeypatch.setattr(sys, "platform", platform)
    command_line._with_allocator_settings()
    assert replaced == []


def test_no_other_command_starts_itself_again(replaced, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["smoke-bvm-train", "export", "absent.ckpt", "--version", "0.1.0"])
    assert main() == 2
    assert replaced == []
    assert "absent.ckpt" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["fly"],
        ["train", "tiny"],
        ["export", "x.ckpt"],
        ["evaluate", "x", "--split", "test"],
        ["calibrate", "x"],
        ["calibrate", "x", "--feedback", "y", "--days", "0"],
    ],
)
def test_a_call_that_is_not_understood_is_refused_with_its_usage(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert "usage: smoke-bvm-train" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["audit", "{data}", "--table"]], ids=["help", "audit"])
def test_a_reader_who_has_left_is_no_error(data, arguments):
    reading, writing = os.pipe()
    os.close(reading)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-m", "training", *(argument.format(data=data) for argument in arguments)]
    ended = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, env=environment, check=False)
    os.close(writing)
    assert (ended.returncode, b"ipe" in ended.stderr) == (0, False)
