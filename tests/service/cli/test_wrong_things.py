"""Whatever a command is given, a person gets words and an exit code, never a traceback."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import service.__main__
import service.cli.segment
from service.__main__ import main
from service.server import serve
from tests.pictures import file_of, plume
from tests.wrong_things import WRONG


@pytest.fixture(autouse=True)
def _quiet_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    """`serve` in this process leaves its signals and its log alone."""
    monkeypatch.setattr(serve, "start_logging", lambda *_, **__: None)
    monkeypatch.setattr(serve, "limit_heap", lambda: None)
    monkeypatch.setattr(service.__main__, "_heed_signals", lambda: None)


Call = Callable[[Path, Path, Path], list[str]]
"""Wrong thing, release and a folder to work in -> arguments."""


def _picture(folder: Path) -> str:
    (folder / "plume.png").write_bytes(file_of(plume()))
    return str(folder / "plume.png")


def _recording(folder: Path, labels: Path) -> str:
    (folder / "ridge").mkdir()
    _picture(folder / "ridge")
    if labels.is_file():
        shutil.copy(labels, folder / "ridge/frames.csv")
    return str(folder / "ridge")


def _release(wrong: Path, release: Path, folder: Path, part: str) -> str:
    broken = shutil.copytree(release, folder / "broken")
    (broken / part).unlink()
    if wrong.exists():
        (shutil.copytree if wrong.is_dir() else shutil.copy)(wrong, broken / part)
    return str(broken)


CALLS: dict[str, Call] = {
    "segment PICTURE": lambda wrong, release, folder: [
        *("segment", str(wrong), "--out", str(folder / "out"), "--model-dir", str(release))
    ],
    "segment --model-dir": lambda wrong, _, folder: [
        *("segment", _picture(folder), "--out", str(folder / "out"), "--model-dir", str(wrong))
    ],
    "segment --out below": lambda wrong, release, folder: [
        *("segment", _picture(folder), "--out", str(wrong / "plume.json"), "--model-dir", str(release))
    ],
    "segment --csv below": lambda wrong, release, folder: [
        *(
            "segment",
            _picture(folder),
            "--out",
            str(folder / "out"),
            "--csv",
            str(wrong / "a/b"),
            "--model-dir",
            str(release),
        )
    ],
    "replay FOLDER": lambda wrong, release, _: ["replay", str(wrong), "--interval", "60", "--model-dir", str(release)],
    "replay --out below": lambda wrong, release, folder: [
        *("replay", _recording(folder, folder), "--interval", "60", "--model-dir", str(release)),
        *("--out", str(wrong / "a/b")),
    ],
    "serve --model-dir": lambda wrong, *_: ["serve", "--port", "0", "--model-dir", str(wrong)],
    "key NAME": lambda wrong, *_: ["key", str(wrong)],
    **{
        f"segment with {part}": lambda wrong, release, folder, part=part: [
            *("segment", _picture(folder), "--out", str(folder / "out"), "--model-dir"),
            _release(wrong, release, folder, part),
        ]
        for part in ("manifest.json", "model.onnx", "golden/frame.png", "golden/maps.npz")
    },
}
PASS = {("segment --out below", "nothing"), ("segment --out below", "a folder")}


def outcome(arguments: list[str]) -> int:
    try:
        return main(arguments)
    except SystemExit as stop:
        return int(stop.code or 0)


@pytest.mark.parametrize("thing", WRONG)
@pytest.mark.parametrize("call", CALLS)
def test_a_wrong_thing_is_refused_in_words(release, tmp_path, capfd, call, thing):
    (tmp_path / "work").mkdir()
    wrong = tmp_path / "wrong"
    WRONG[thing](wrong)
    code = outcome(CALLS[call](wrong, release, tmp_path / "work"))
    said = capfd.readouterr().err
    assert "Traceback" not in said
    assert "unexpected" not in said
    assert code == 0 if (call, thing) in PASS else code in (1, 2, 3)
    assert said.strip()


@pytest.mark.parametrize(
    ("variable", "thing"),
    [
        (variable, thing)
        for variable in ("SMOKE_API_KEYS_FILE", "SMOKE_CAMERAS_FILE", "SMOKE_TLS_CERT_FILE")
        for thing in WRONG
        if (variable, thing) != ("SMOKE_CAMERAS_FILE", "an empty file")  # it says nothing of any camera
    ],
)
def test_a_service_that_is_to_read_it_does_not_start(release, tmp_path, capfd, monkeypatch, variable, thing):
    WRONG[thing](tmp_path / "wrong")
    monkeypatch.setenv(variable, str(tmp_path / "wrong"))
    monkeypatch.setenv("SMOKE_TLS_KEY_FILE", str(tmp_path / "wrong") if "TLS" in variable else "")
    assert outcome(["serve", "--port", "0", "--model-dir", str(release)]) in (2, 70)
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("smoke-bvm: ")


@pytest.mark.parametrize("thing", [thing for thing in WRONG if thing not in ("nothing", "a folder")])
def test_labels_that_are_none_are_refused_in_words(release, tmp_path, capfd, thing):
    WRONG[thing](tmp_path / "wrong")
    arguments = ["replay", _recording(tmp_path, tmp_path / "wrong"), "--interval", "60", "--model-dir", str(release)]
    assert outcome(arguments) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert "frames.csv" in line


def broken(*_: object) -> None:
    raise RuntimeError("two\nlines")


def test_what_nobody_thought_of_is_one_line(release, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(service.cli.segment, "load", broken)
    arguments = ["segment", _picture(tmp_path), "--out", str(tmp_path / "out"), "--model-dir", str(release)]
    assert main(arguments) == 70
    said = capsys.readouterr().err
    assert said == "smoke-bvm: unexpected RuntimeError: two lines; with PYTHONDEVMODE=1 it says where\n"


def test_whoever_looks_for_the_fault_sees_where_it_is(release, tmp_path):
    code = (
        "import service.cli.segment as s, service.__main__ as m\n"
        "def broken(_): raise RuntimeError('here')\n"
        f"s.load = broken\nm.main(['segment', {_picture(tmp_path)!r}, '--out', 'out', '--model-dir', {str(release)!r}])"
    )
    environment = os.environ | {"PYTHONDEVMODE": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert "Traceback" in done.stderr
    assert "RuntimeError: here" in done.stderr


def test_one_picture_that_nobody_thought_of_does_not_end_the_rest(release, tmp_path, capfd, monkeypatch):
    for name in ("a", "b"):
        shutil.copy(_picture(tmp_path), tmp_path / f"{name}.png")
    answer = service.cli.segment._answer_picture

    async def answered(task, job):
        return broken() if task.stem == "a" else await answer(task, job)

    monkeypatch.setattr(service.cli.segment, "_answer_picture", answered)
    assert main(["segment", str(tmp_path), "--out", str(tmp_path / "out"), "--model-dir", str(release)]) == 1
    said = capfd.readouterr().err
    assert "a.png: unexpected RuntimeError: two lines\n" in said
    assert "2 of 3 pictures segmented" in said


@pytest.mark.parametrize("command", ["smoke-bvm", "smoke-bvm-train"])
def test_each_command_names_its_version(command):
    done = subprocess.run(
        [str(Path(sys.executable).with_name(command)), "--version"], capture_output=True, text=True, check=True
    )
    name, version = done.stdout.split()
    assert name == command
    assert version[0].isdigit()
