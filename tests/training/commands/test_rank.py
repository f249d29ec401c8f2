"""`rank`: the frames of which a model knows least, each scene once, drawn so that a person puts them right and training reads them."""

import csv
import json
import math
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.geometry import fit, unfit
from tests.conftest import build_release
from tests.pictures import file_of, plain
from tests.training.conftest import Run
from training.__main__ import main
from training.commands import rank as ranking
from training.data.folders import read_frames
from training.data.frames import load_image, load_mask

HEIGHT, WIDTH = 96, 128
PLUME = (slice(24, 72), slice(32, 64))
"""An eighth of the frame; on the model's square of 32 px too, without a rest."""


def picture(seed: int, doubt: int, probability: int = 180) -> np.ndarray:
    """A landscape of its own without red, and a plume of that red, which is its probability, and that green, which is its doubt."""
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.random((12, 16)).astype(np.float32), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    grey = np.clip(60 + 120 * coarse, 0, 255).astype(np.uint8)
    image = np.stack([np.zeros_like(grey), grey, grey], axis=2)
    image[PLUME] = (probability, doubt, 0)
    return image


def put(path: Path, image: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six scenes, the later of more doubt, one of them twice and one of them mirrored; and what real folders hold beside."""
    root = tmp_path / "mine"
    for seed in range(1, 6):
        put(root / f"ridge/cam {seed}.PNG", picture(seed, 40 * seed))
    put(root / "ridge/again/Gipfel Süd.png", picture(5, 190))
    put(root / "mirrored.png", np.ascontiguousarray(picture(4, 150)[:, ::-1]))
    put(root / "sure.png", picture(9, 250, probability=255))
    (root / "broken.jpg").write_bytes(b"no picture")
    (root / "gone.png").symlink_to(root / "nowhere.png")
    (root / "folder.png").mkdir()
    (root / "notes.txt").write_text("no picture by its name")
    (root / ".hidden.png").write_bytes(b"")
    return root


def rank(folder: Path, release: Path, out: Path, *more: object) -> int:
    return main([str(part) for part in ("rank", folder, "--model", release, "--out", out, *more)])


def rows_of(out: Path) -> list[dict[str, str]]:
    with (out / "ranking.csv").open(encoding="utf-8", errors="surrogateescape", newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_frames_of_most_doubt_come_first_each_scene_once_and_every_file_has_its_reason(
    folder, release, tmp_path, capsys
):
    assert rank(folder, release, tmp_path / "out", "--count", 4) == 0
    rows = rows_of(tmp_path / "out")
    assert [row["file"] for row in rows if row["rank"]] == [f"ridge/cam {seed}.PNG" for seed in (5, 4, 3, 2)]
    expected = [math.log(2) * 40 * seed / 255 * math.sqrt(1 / 8) for seed in (5, 4, 3, 2)]
    assert [float(row["score"]) for row in rows if row["rank"]] == pytest.approx(expected, rel=1e-3)
    why = {row["file"]: row["why"] for row in rows}
    assert why.keys() == {
        *(f"ridge/cam {seed}.PNG" for seed in range(1, 6)),
        *("ridge/again/Gipfel Süd.png", "mirrored.png", "sure.png", "broken.jpg", "gone.png", "folder.png"),
    }
    assert why["ridge/again/Gipfel Süd.png"].startswith("like ")
    assert "cam 5.PNG" in why["ridge/again/Gipfel Süd.png"]
    assert "cam 4.PNG" in why["mirrored.png"]
    assert why["ridge/cam 1.PNG"] == why["sure.png"] == "below those chosen"
    assert "not a picture" in why["broken.jpg"]
    assert "not found" in why["gone.png"]
    assert "folder" in why["folder.png"]
    told = capsys.readouterr().out
    assert "11 pictures, 4 chosen, 2 like one of these" in told
    assert "3 cannot be read" in told
    sheet = cv2.imread(str(tmp_path / "out/contact_sheet.png"))
    assert sheet.shape[0] == 2 * 320


def test_what_is_drawn_is_read_as_the_masks_that_the_model_saw_and_trains(folder, release, tiny_run: Run, tmp_path):
    out = tmp_path / "out"
    ring = picture(7, 255)
    ring[36:60, 40:56, 0] = 0  # a hole
    put(folder / "hole.png", ring)
    put(folder / "clear.png", picture(8, 220, probability=60))
    assert rank(folder, release, out, "--count", 8) == 0
    frames = read_frames(out / "frames", "all")
    assert [frame.image.name for frame in frames[:2]] == ["001-hole.png", "002-clear.png"]
    assert [frame.kind for frame in frames[:3]] == ["real_smoke", "clear", "real_smoke"]
    for frame in frames:
        image = load_image(frame.image)
        seen = unfit(fit(image, 32)[..., 0], WIDTH, HEIGHT) >= 127.5
        drawn = load_mask(frame, image.shape) >= 0.5
        assert (seen & drawn).sum() >= 0.9 * (seen | drawn).sum(), frame.image.name
    before = {path.name: path.read_bytes() for path in (out / "frames").iterdir()}
    command = ["train", "tiny", "--data", out / "frames", "--data", tiny_run.data, "--out", tmp_path / "run"]
    short = ("--set", "generator.stages=[{steps=2,batch=4,size_px=64}]", "--set", "estimator.stages=[]")
    assert main([str(part) for part in (*command, *short)]) == 0
    assert {path.name: path.read_bytes() for path in (out / "frames").iterdir()} == before


def test_what_labelme_needs_is_in_its_file(folder, release, tmp_path):
    assert rank(folder, release, tmp_path / "out", "--count", 1) == 0
    content = json.loads((tmp_path / "out/frames/001-cam 5.json").read_text())
    assert content.keys() >= {"version", "flags", "shapes", "imagePath", "imageData", "imageHeight", "imageWidth"}
    assert (content["imagePath"], content["imageWidth"], content["imageHeight"]) == ("001-cam 5.png", WIDTH, HEIGHT)
    assert (tmp_path / "out/frames/001-cam 5.png").read_bytes() == (folder / "ridge/cam 5.PNG").read_bytes()
    (shape,) = content["shapes"]
    assert (shape["label"], shape["shape_type"]) == ("smoke", "polygon")
    assert "smoke-test-0.0.1" in shape["description"]


def test_a_checkpoint_ranks_too(tiny_run: Run, tmp_path):
    assert rank(tiny_run.data / "img", tiny_run.checkpoint, tmp_path / "out", "--count", 3) == 0
    assert len(list((tmp_path / "out/frames").glob("*.json"))) == 3


def test_what_is_like_a_labelled_frame_is_left_out(folder, release, tmp_path, capsys):
    assert rank(folder, release, tmp_path / "first", "--count", 2) == 0
    assert rank(folder, release, tmp_path / "second", "--count", 9, "--labelled", tmp_path / "first/frames") == 0
    rows = rows_of(tmp_path / "second")
    assert [row["file"] for row in rows if row["rank"]] == [
        *(f"ridge/cam {seed}.PNG" for seed in (3, 2, 1)),
        "sure.png",
    ]
    assert next(row["why"] for row in rows if row["file"] == "sure.png") == "sure everywhere, drawn at random"
    assert "first/frames/001-cam 5.png" in next(row["why"] for row in rows if row["file"] == "ridge/cam 5.PNG")
    told = capsys.readouterr().out
    assert "no more than 4 differ" in told
    assert "sure everywhere of 1 of those chosen" in told


def test_a_higher_limit_takes_frames_that_are_more_alike_but_never_the_same_twice(folder, release, tmp_path):
    shutil.copy(folder / "ridge/cam 5.PNG", folder / "copy.png")
    assert rank(folder, release, tmp_path / "out", "--near", 1) == 0
    alike = [row["file"] for row in rows_of(tmp_path / "out") if row["why"].startswith("like")]
    assert len(alike) == 1
    assert {*alike} < {"copy.png", "ridge/cam 5.PNG"}


def test_a_ranking_that_was_cut_off_is_none(folder, release, tmp_path, monkeypatch):
    lines = ranking._lines

    def cut_off(*given):
        yield next(lines(*given))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ranking, "_lines", cut_off)
        assert rank(folder, release, tmp_path / "out") == 130
    assert rank(folder, release, tmp_path / "out") == 0
    assert len(rows_of(tmp_path / "out")) > 1


def test_stopped_work_goes_on_where_it_was_and_a_picture_that_changed_is_looked_at_again(
    folder, release, tmp_path, monkeypatch, capsys
):
    asked: list[Path] = []
    score = ranking._score

    def stopping(predictor, file):
        if len(asked) == 5:  # of a process that is killed here, the disk has all five
            assert len((tmp_path / "out/scores.csv").read_text(encoding="utf-8").splitlines()) == 1 + 5
            raise KeyboardInterrupt
        asked.append(file)
        return score(predictor, file)

    monkeypatch.setattr(ranking, "_score", stopping)
    assert rank(folder, release, tmp_path / "out", "--count", 4) == 130
    assert capsys.readouterr().err == "smoke-bvm-train rank: stopped\n"
    with (tmp_path / "out/scores.csv").open("a") as stream:
        stream.write('abc,"cut off in the mid')
    put(asked[-1], picture(31, 255))
    again: list[Path] = []
    monkeypatch.setattr(ranking, "_score", lambda predictor, file: (again.append(file), score(predictor, file))[1])
    assert rank(folder, release, tmp_path / "out", "--count", 4) == 0
    assert len(again) == 11 - 5 + 1
    assert asked[-1] in again
    assert next(row["file"] for row in rows_of(tmp_path / "out") if row["rank"] == "1") == str(
        asked[-1].relative_to(folder)
    )


def test_what_a_person_put_right_is_never_drawn_over(folder, release, tmp_path, capsys):
    out = tmp_path / "out"
    assert rank(folder, release, out, "--count", 2) == 0
    assert rank(folder, release, out, "--count", 2) == 2
    assert "ranking.csv: is there already" in capsys.readouterr().err
    (out / "ranking.csv").unlink()  # as if stopped while drawing
    (out / "frames/001-cam 5.json").write_text('{"shapes": []}')
    assert rank(folder, release, out, "--count", 2) == 0
    assert (out / "frames/001-cam 5.json").read_text() == '{"shapes": []}'


def test_names_of_any_bytes_and_lengths_are_ranked_and_labelled(release, tmp_path):
    odd = os.fsdecode(b"caf\xe9\n\xff.png")
    for number, name in enumerate((odd, f"{'ü' * 125}.png"), start=1):
        plain = put(tmp_path / "plain.png", picture(number, 100 * number))
        (tmp_path / "mine").mkdir(exist_ok=True)
        plain.rename(tmp_path / "mine" / name)
    assert rank(tmp_path / "mine", release, tmp_path / "out") == 0
    assert [row["file"] for row in rows_of(tmp_path / "out")] == [f"{'ü' * 125}.png", odd]
    assert len(read_frames(tmp_path / "out/frames", "all")) == 2


def test_a_folder_that_cannot_be_used_is_refused_in_words(folder, release, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/a.png").write_bytes(b"no picture")
    for wrong, words in (
        (tmp_path / "nowhere", "not a folder"),
        (folder / "sure.png", "not a folder"),
        (tmp_path / "empty", "holds no pictures (jpg, jpeg"),
        (tmp_path / "broken", "none of 1 pictures can be read, the first: "),
    ):
        assert rank(wrong, release, tmp_path / "out") == 2
        assert words in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert rank(folder, release, tmp_path / "file/out") == 2
    assert "file/out" in capsys.readouterr().err


def test_a_folder_that_may_not_be_looked_into_is_named_and_what_lies_in_out_is_no_picture_of_the_folder(
    folder, release, capsys, monkeypatch
):
    scandir = os.scandir

    def forbidding(path):
        if Path(path).name == "again":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", forbidding)
    assert rank(folder, release, folder / "ranked", "--count", 2) == 0
    assert "Permission denied" in capsys.readouterr().out
    (folder / "ranked/ranking.csv").unlink()
    assert rank(folder, release, folder / "ranked", "--count", 2) == 0
    assert not any("ranked" in row["file"] or "again" in row["file"] for row in rows_of(folder / "ranked"))


def test_a_model_that_tells_novelty_is_asked_once_and_says_so_in_the_ranking(tmp_path: Path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for grey in (20, 200):
        (folder / f"{grey}.png").write_bytes(file_of(plain(0, 0, grey, 96, 72)))
    release = build_release(tmp_path / "release", novelty_limit=3.0)
    assert rank(folder, release, tmp_path / "out", "--count", 2) == 0
    first, second = rows_of(tmp_path / "out")
    assert (first["file"], second["file"]) == ("200.png", "20.png")
    assert first["why"] == f"sure everywhere, novelty {4 * 200 / 3 / 255:.2f}"


@pytest.mark.parametrize(("option", "value"), [("--near", "0"), ("--near", "2"), ("--count", "0")])
def test_numbers_out_of_range_are_refused(option, value, tmp_path):
    with pytest.raises(SystemExit):
        main(["rank", str(tmp_path), "--out", str(tmp_path), option, value])
