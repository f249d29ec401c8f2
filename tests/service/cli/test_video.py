import json
import sys

import pytest

from service.__main__ import main
from tests.films import RATE, write_video
from tests.pictures import plain, plume


@pytest.fixture
def film(tmp_path):
    """Four seconds: two calm ones, then two with a plume."""
    calm = plain(26, 51, 128, 64, 48)
    return write_video(tmp_path / "film.mp4", [calm] * 2 * RATE + [plume()] * 2 * RATE)


def segment(release, film, out, *arguments: str) -> int:
    return main(["segment", str(film), "--out", str(out), "--model-dir", str(release), "--every", "1", *arguments])


def test_a_video_is_segmented_frame_by_frame_and_its_frames_are_kept(release, film, tmp_path):
    out = tmp_path / "out"
    assert segment(release, film, out, "--outputs", "", "--format", "yolo") == 0
    frames = [f"film-0000{second}.0" for second in range(4)]
    assert sorted(file.stem for file in (out / "frames/film").glob("*.jpg")) == frames
    said = [json.loads((out / f"{frame}.json").read_text())["assessment"] for frame in frames]
    assert said == ["clear", "clear", "smoke", "smoke"]
    assert sorted(file.stem for file in (out / "yolo/labels").iterdir()) == frames


def test_videos_of_one_name_keep_their_own_frames(release, film, tmp_path):
    (tmp_path / "calm").mkdir()
    calm = write_video(tmp_path / "calm/film.mp4", [plain(26, 51, 128, 64, 48)] * 2 * RATE)
    named = [str(video) for video in (calm, film, calm)]
    arguments = ["--out", str(tmp_path / "out"), "--model-dir", str(release), "--every", "1", "--outputs", ""]
    assert main(["segment", *named, *arguments]) == 0
    answered = {file.stem: json.loads(file.read_text())["assessment"] for file in (tmp_path / "out").glob("*.json")}
    assert answered == {
        **{f"film-0000{second}.0": "clear" for second in range(2)},
        **{f"film-2-0000{second}.0": said for second, said in enumerate(["clear", "clear", "smoke", "smoke"])},
    }


def test_a_resumed_run_goes_on_within_a_video(release, film, tmp_path, capfd):
    out = tmp_path / "out"
    assert segment(release, film, out, "--outputs", "") == 0
    (out / "film-00003.0.json").unlink()
    assert segment(release, film, out, "--outputs", "", "--resume") == 0
    assert "3 pictures have their answer, 1 are left" in capfd.readouterr().err


def test_a_broken_video_is_said_in_one_line(release, tmp_path, capfd):
    (tmp_path / "film.mp4").write_bytes(b"no film")
    assert segment(release, tmp_path / "film.mp4", tmp_path / "out") == 2
    assert "film.mp4" in (said := capfd.readouterr().err)
    assert "expected a video that FFmpeg reads" in said


def test_without_pyav_it_says_what_to_install(release, film, tmp_path, capfd, monkeypatch):
    monkeypatch.delitem(sys.modules, "service.sources.readers.video", raising=False)
    monkeypatch.setitem(sys.modules, "av", None)
    assert segment(release, film, tmp_path / "out") == 2
    assert "smoke-bvm[watch]" in capfd.readouterr().err
