"""`segment` ended by Ctrl-C, and taken up again."""

import csv
import os
import signal
from pathlib import Path

import pytest

import service.cli.segment
from service.__main__ import main
from tests.conftest import build_release
from tests.pictures import file_of, plain


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A dozen pictures."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(12):
        (folder / f"{number}.png").write_bytes(file_of(plain(20 * number, 0, 0, 48, 40)))
    return folder


@pytest.fixture
def worked_on(monkeypatch) -> list[str]:
    """The stems that were answered, as they were."""
    stems: list[str] = []
    answer = service.cli.segment._answer_picture

    async def answered(task, job):
        report = await answer(task, job)
        stems.append(task.stem)
        return report

    monkeypatch.setattr(service.cli.segment, "_answer_picture", answered)
    return stems


def segment(release: Path, folder: Path, *arguments: str) -> int:
    out = str(folder.parent / "out")
    return main(["segment", str(folder), "--out", out, "--outputs", "mask", "--model-dir", str(release), *arguments])


def reports(folder: Path) -> set[str]:
    return {path.stem for path in (folder.parent / "out").glob("*.json")}


def test_ctrl_c_keeps_what_is_done_and_resume_does_the_rest(release, folder, monkeypatch, worked_on, capfd):
    answer = service.cli.segment._answer_picture

    async def interrupted(task, job):
        if len(worked_on) >= 3:
            signal.raise_signal(signal.SIGINT)
        return await answer(task, job)

    # A shell that runs tests in the background has commands ignore the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(service.cli.segment, "_answer_picture", interrupted)
            assert segment(release, folder) == 130
    finally:
        signal.signal(signal.SIGINT, before)
    said = capfd.readouterr().err
    assert said.endswith("smoke-bvm: stopped\n")
    assert "of 12 pictures; --resume goes on from there" in said
    assert "Traceback" not in said
    done = reports(folder)
    assert set(worked_on) <= done
    assert 3 <= len(done) < 12
    worked_on.clear()
    table = folder.parent / "table.csv"
    assert segment(release, folder, "--resume", "--csv", str(table)) == 0
    assert set(worked_on) == {str(number) for number in range(12)} - done
    assert len(reports(folder)) == 12
    with table.open(newline="") as stream:
        assert sorted(Path(row["source"]).stem for row in csv.DictReader(stream)) == sorted(reports(folder))


def test_nothing_is_done_twice(release, folder, worked_on, capfd):
    outputs = ("--outputs", "total,overlay,polygons,rle")
    assert segment(release, folder, *outputs) == 0
    worked_on.clear()
    assert segment(release, folder, "--resume", *outputs) == 0
    assert worked_on == []
    assert "resuming: 12 pictures have their answer, 0 are left" in capfd.readouterr().err


def _changed(folder: Path) -> None:
    (folder / "3.png").write_bytes(file_of(plain(250, 0, 0, 48, 40)))
    later = (folder.parent / "out/3.json").stat().st_mtime + 1
    os.utime(folder / "3.png", (later, later))


@pytest.mark.parametrize(
    "spoil",
    [
        _changed,
        lambda folder: (folder.parent / "out/3.json").write_text('{"source": "cut'),
        lambda folder: (folder.parent / "out/3.mask.png").unlink(),
        lambda folder: (folder.parent / "out/3.json").write_text((folder.parent / "out/4.json").read_text()),
    ],
    ids=["picture changed", "report cut off", "map gone", "another's report"],
)
def test_what_is_not_whole_or_not_of_this_picture_is_done_again(release, folder, worked_on, spoil):
    assert segment(release, folder) == 0
    spoil(folder)
    worked_on.clear()
    assert segment(release, folder, "--resume") == 0
    assert worked_on == ["3"]


@pytest.mark.parametrize(
    "otherwise",
    [("--threshold", "0.9"), ("--resolution", "frame"), ("--outputs", "mask,polygons"), ("--encoding", "npz")],
)
def test_what_was_asked_for_otherwise_is_done_again(release, folder, worked_on, otherwise):
    assert segment(release, folder) == 0
    worked_on.clear()
    assert segment(release, folder, "--resume", *otherwise) == 0
    assert len(worked_on) == 12


def test_what_another_model_answered_is_done_again(release, folder, worked_on, tmp_path):
    assert segment(release, folder) == 0
    worked_on.clear()
    other = build_release(tmp_path, version="0.0.2")
    assert segment(other, folder, "--resume") == 0
    assert len(worked_on) == 12
