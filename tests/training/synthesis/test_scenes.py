"""Rendered scenes: Koschmieder's law holds at every pixel of what is written, and the mask is where the veil can be seen."""

import csv
import shutil
from pathlib import Path
from typing import NoReturn

import cv2
import numpy as np
import pytest

from training.data.checks import check_frames
from training.data.files import DataError
from training.data.folders import frames_to_score, read_frames
from training.data.frames import load_image, read_mask
from training.data.synthetic import render_landscape, seen_through
from training.synthesis import folder as synthesis
from training.synthesis.folder import write_scenes
from training.synthesis.scene import horizon_of, smoke_free_scene, smoke_scene

COUNT = 12


@pytest.fixture(scope="module")
def backgrounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("backgrounds")
    for number in range(2):
        picture = render_landscape(np.random.default_rng(number), 180, 240)
        cv2.imwrite(str(folder / f"b{number}.png"), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    return folder


@pytest.fixture(scope="module")
def written(backgrounds: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("scenes")
    write_scenes(backgrounds, COUNT, 5, out)
    return out


def rows_of(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "manifest.csv").read_text(encoding="utf-8").splitlines()))


def test_half_of_the_light_is_the_mean_of_both_and_clear_air_is_the_picture():
    image, light = np.full((1, 3, 3), 40, np.uint8), np.array([100.0, 200.0, 240.0], np.float32)
    seen = seen_through(image, np.array([[1.0, 0.5, 0.0]], np.float32), light)
    assert seen[0].tolist() == [[40, 40, 40], [70, 120, 140], [100, 200, 240]]


def test_of_the_written_files_each_pixel_is_background_times_t_and_light_times_the_rest(written, backgrounds):
    for row in rows_of(written):
        image, background = load_image(written / row["file"]), load_image(backgrounds / row["background"])
        t = cv2.imread(str(written / row["transmission"]), cv2.IMREAD_UNCHANGED)[..., None] / 65535.0
        light = np.array([float(value) for value in row["light"].split()])
        assert np.abs(image - (background * t + light * (1.0 - t))).max() < 0.51
        assert t.min() < 0.95


def test_the_mask_is_where_more_than_a_tenth_of_the_light_is_the_smokes(written):
    smoke = [row for row in rows_of(written) if row["what"] == "smoke"]
    for row in smoke:
        t = cv2.imread(str(written / row["transmission"]), cv2.IMREAD_UNCHANGED) / 65535.0
        assert np.array_equal(read_mask(written / row["mask"]) > 0, 1.0 - t > 0.1)
    assert len(smoke) == COUNT * 3 // 4


def test_every_fourth_scene_is_no_smoke_and_says_what_it_is(written):
    others = [row for row in rows_of(written) if row["what"] != "smoke"]
    assert {(row["kind"], row["mask"]) for row in others} == {("hard_negative", "")}
    assert {row["what"] for row in others} <= {"fog", "low_cloud", "dust"}
    assert len(others) == COUNT // 4


def test_the_folder_passes_the_checks_of_train_and_no_rendered_smoke_is_scored(written):
    frames = read_frames(written, "train")
    check_frames(frames)
    assert len(frames) == COUNT
    assert {frame.kind for frame in frames_to_score(written, "train", None)} == {"hard_negative"}


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(written, backgrounds, tmp_path):
    for name, seed in (("same", 5), ("other", 6)):
        write_scenes(backgrounds, 4, seed, tmp_path / name)
    for number in range(4):
        file = f"img/{number:06d}.png"
        assert (tmp_path / "same" / file).read_bytes() == (written / file).read_bytes()
        assert (tmp_path / "other" / file).read_bytes() != (written / file).read_bytes()


def test_smoke_is_as_large_as_that_of_real_frames():
    background = render_landscape(np.random.default_rng(0), 240, 320)
    shares = [smoke_scene(background, np.random.default_rng(seed)).mask.mean() for seed in range(40)]
    assert 0.0015 < np.median(shares) < 0.008
    assert 0.05 < np.mean(np.array(shares) < 0.001) < 0.4


def test_smoke_rises_from_the_ground():
    background = np.zeros((240, 320, 3), np.uint8)
    background[:120], background[120:] = (120, 160, 220), (70, 80, 50)
    assert horizon_of(background) == pytest.approx(0.5, abs=0.05)
    for seed in range(10):
        rows = np.flatnonzero(smoke_scene(background, np.random.default_rng(seed)).mask.any(axis=1))
        assert rows.max() >= 110


def test_what_is_no_smoke_can_be_seen_and_has_no_mask():
    background = render_landscape(np.random.default_rng(0), 180, 240)
    scenes = [smoke_free_scene(background, np.random.default_rng(seed)) for seed in range(20)]
    assert {scene.what for scene in scenes} == {"fog", "low_cloud", "dust"}
    for scene in scenes:
        assert not scene.mask.any()
        assert scene.transmission.min() < 0.95


def test_a_folder_without_pictures_and_one_that_is_taken_are_refused(tmp_path, backgrounds, written):
    with pytest.raises(DataError, match="found no picture; expected a folder of pictures without smoke"):
        write_scenes(tmp_path, 1, 0, tmp_path / "out")
    with pytest.raises(DataError, match=r"manifest\.csv: is there already"):
        write_scenes(backgrounds, 1, 0, written)


def test_scenes_that_were_not_all_drawn_are_no_data_set_and_the_next_run_draws_them(tmp_path, backgrounds, monkeypatch):
    def stopped(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(synthesis, "smoke_free_scene", stopped)
    with pytest.raises(KeyboardInterrupt):
        write_scenes(backgrounds, 4, 0, tmp_path / "out")
    monkeypatch.undo()
    assert not (tmp_path / "out/manifest.csv").exists()
    write_scenes(backgrounds, 4, 0, tmp_path / "out")
    assert len((tmp_path / "out/manifest.csv").read_text().splitlines()) == 5


def test_a_picture_whose_name_is_no_utf_8_is_drawn_over_too(tmp_path, backgrounds):
    shutil.copytree(backgrounds, tmp_path / "in")
    for path in list((tmp_path / "in").iterdir()):
        path.rename(path.with_name(f"h\udcfc{path.name}"))
    write_scenes(tmp_path / "in", 1, 0, tmp_path / "out")
    assert "synthetic-h\N{REPLACEMENT CHARACTER}" in (tmp_path / "out/manifest.csv").read_text(encoding="utf-8")
