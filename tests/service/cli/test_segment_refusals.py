"""`segment`: what cannot be read or done is told in one line, and costs no other picture its answer."""

import os
from pathlib import Path

import pytest

from tests.pictures import file_of, noisy
from tests.service.cli.test_segment import segment, written

pytestmark = pytest.mark.usefixtures("wide_terminal")


def test_a_bad_picture_is_reported_and_does_not_stop_the_rest(release, folder, tmp_path, capfd):
    out = tmp_path / "out"
    assert segment(release, folder, "--out", out, "--outputs", "mask") == 1
    assert written(out) == ["calm.json", "calm.mask.png", "plume.json", "plume.mask.png"]
    said = " ".join(capfd.readouterr().err.split())
    assert "cut.webp: found a WEBP file that does not decode" in said
    assert "2 of 3 pictures segmented" in said


def test_a_folder_that_may_not_be_looked_into_is_reported_and_does_not_stop_the_rest(
    release, folder, tmp_path, capfd, monkeypatch
):
    for name in (".cache", "lost+found"):
        (folder / name).mkdir()
    scandir = os.scandir

    def forbidding(path):
        if Path(path).name in ("below", ".cache", "lost+found"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", forbidding)
    (folder / "cut.webp").unlink()
    assert segment(release, folder, "--out", tmp_path / "out", "--outputs", "mask") == 1
    said = capfd.readouterr().err
    assert "in/below: " in said
    assert "1 of 2 pictures segmented" in " ".join(said.split())


def test_a_picture_that_is_not_there_is_reported_and_does_not_stop_the_rest(release, folder, tmp_path, capfd):
    out = tmp_path / "out"
    assert segment(release, folder / "gone.png", folder / "plume.png", "--out", out, "--outputs", "mask") == 1
    assert written(out) == ["plume.json", "plume.mask.png"]
    assert "gone.png" in capfd.readouterr().err


def test_floats_at_the_frames_size_are_a_usage_error_and_nothing_is_written(release, folder, tmp_path, capfd):
    options = ("--encoding", "npz", "--resolution", "frame")
    assert segment(release, folder, "--out", tmp_path / "out", *options) == 2
    assert not (tmp_path / "out").exists()
    said = " ".join(capfd.readouterr().err.split())
    assert "found encoding npz with resolution frame, expected resolution model" in said


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_summary_that_finds_the_disk_full_is_named(release, folder, tmp_path, capfd):
    assert segment(release, folder, "--out", tmp_path / "out", "--csv", "/dev/full") == 1
    assert "No space left on device: '/dev/full'" in capfd.readouterr().err


def test_a_file_is_no_place_for_the_answers(release, folder, capfd):
    assert segment(release, folder / "plume.png", "--out", folder / "notes.txt") == 2
    assert "notes.txt is a file; expected a folder" in capfd.readouterr().err


def test_the_inputs_folder_is_no_place_for_the_answers(release, folder, capfd):
    before = written(folder)
    assert segment(release, folder, "--out", folder) == 2
    assert written(folder) == before
    assert "expected a folder of its own" in capfd.readouterr().err


def test_a_folder_without_pictures_is_a_failure(release, tmp_path, capfd):
    (tmp_path / "empty").mkdir()
    assert segment(release, tmp_path / "empty", "--out", tmp_path / "out") == 1
    assert "no JPEG, PNG or WebP files found" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--outputs", "smoke", "expected some of mask, probability"),
        ("--threshold", "1", "expected a number between 0 and 1"),
        ("--threshold", "nan", "expected a number between 0 and 1"),
        ("--resolution", "full", "invalid choice: 'full'"),
        ("--encoding", "tiff", "invalid choice: 'tiff'"),
    ],
)
def test_an_option_that_means_nothing_is_a_usage_error(release, folder, tmp_path, capsys, option, value, words):
    with pytest.raises(SystemExit) as exit_:
        segment(release, folder, "--out", tmp_path / "out", option, value)
    assert exit_.value.code == 2
    assert words in capsys.readouterr().err


def test_a_model_that_is_not_there_is_said_in_one_line(folder, tmp_path, capsys):
    assert segment(tmp_path / "nowhere", folder, "--out", tmp_path / "out") == 3
    said = capsys.readouterr().err
    assert said.startswith("smoke-bvm: ")
    assert "Traceback" not in said


def test_an_impossible_setting_is_said_in_one_line(release, folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SMOKE_THREADS", "many")
    assert segment(release, folder, "--out", tmp_path / "out") == 2
    assert "SMOKE_THREADS: found 'many'" in capsys.readouterr().err


def test_a_picture_past_the_byte_limit_is_reported(release, folder, tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("SMOKE_BODY_MAX_BYTES", "1024")
    (folder / "large.png").write_bytes(file_of(noisy()))
    assert segment(release, folder / "large.png", "--out", tmp_path / "out") == 1
    assert "found a file of more than 1024 bytes" in " ".join(capfd.readouterr().err.split())


def test_a_pipe_is_reported_and_not_waited_for(release, tmp_path, capfd):
    """Whoever opens one waits until somebody writes to it: the run never ended."""
    os.mkfifo(tmp_path / "pipe.jpg")
    assert segment(release, tmp_path / "pipe.jpg", "--out", tmp_path / "out") == 1
    assert "found a pipe or a device, expected a file" in " ".join(capfd.readouterr().err.split())


def test_links_are_followed_but_not_in_a_circle_and_one_that_leads_nowhere_is_named(release, folder, tmp_path, capfd):
    (folder / "cut.webp").rename(tmp_path / "cut.webp")
    (tmp_path / "elsewhere").mkdir()
    (folder / "plume.png").rename(tmp_path / "elsewhere/plume.png")
    for name, target in {
        "disk": tmp_path / "elsewhere",
        "up": folder,
        "gone.png": "nowhere",
        "self.png": "self.png",
    }.items():
        (folder / name).symlink_to(target)
    out = tmp_path / "out"
    assert segment(release, folder, "--out", out, "--outputs", "", "--tree", "--format", "coco") == 1
    assert (written(out), written(out / "disk")) == (["below", "coco", "disk"], ["plume.json"])
    said = capfd.readouterr().err
    assert "2 of 4 pictures" in said
    assert "gone.png: [Errno 2]" in said
    assert "self.png: [Errno 40]" in said
