"""Planted faults and leaks of each kind are found, and a split has none."""

import errno
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.maps import SegmentationMaps
from training.__main__ import main
from training.audit.audit import as_text, audit, table_row, write_audit
from training.audit.descriptor import clusters, near_pairs, scene_descriptor
from training.audit.doubtful import surprise
from training.audit.leaks import leakage, pairs_of
from training.audit.split import name_without_counter, split_without_leaks, write_split
from training.audit.survey import survey
from training.data.files import DataError
from training.data.folders import read_frames
from training.data.frames import load_mask
from training.evaluation.predictor import Predictor

HEIGHT, WIDTH = 96, 128


def scene(seed: int) -> np.ndarray:
    """A landscape of its own: ridges and fields of random blobs, brighter above."""
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.random((12, 16)).astype(np.float32), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    fine = cv2.resize(rng.random((48, 64)).astype(np.float32), (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
    light = np.linspace(80, 0, HEIGHT)[:, None]
    grey = np.clip(60 + 90 * coarse + 50 * fine + light, 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def minutes_later(image: np.ndarray, seed: int) -> np.ndarray:
    """The same view in another light, with noise and a plume."""
    rng = np.random.default_rng(seed)
    later = np.clip(image * 0.85 + 12 + rng.normal(0, 4, image.shape), 0, 255)
    later[20:40, 50:62] = 0.5 * later[20:40, 50:62] + 110
    return later.astype(np.uint8)


def put(root: Path, split: str, name: str, image: np.ndarray, *, smoke: bool = True) -> None:
    for folder in ("img", "gt"):
        (root / split / folder).mkdir(parents=True, exist_ok=True)
    mask = np.zeros(image.shape[:2], np.uint8)
    mask[10:30, 50:62] = 255 if smoke else 0
    cv2.imwrite(str(root / split / "img" / f"{name}.png"), image)
    cv2.imwrite(str(root / split / "gt" / f"{name}.png"), mask)


@pytest.fixture
def leaky(tmp_path: Path) -> Path:
    for seed in range(6):
        put(tmp_path, "train", f"camera{seed}_{seed:04d}", scene(seed))
    put(tmp_path, "test", "again", scene(0))  # the same picture
    put(tmp_path, "test", "later", minutes_later(scene(1), 1))  # the same view
    put(tmp_path, "test", "mirrored", np.ascontiguousarray(scene(2)[:, ::-1]))
    resized = cv2.resize(scene(3), (200, 150), interpolation=cv2.INTER_LINEAR)
    put(tmp_path, "test", "resized", resized)
    put(tmp_path, "test", "fresh", scene(77), smoke=False)
    return tmp_path


def names(pairs: list[list[str]]) -> dict[str, str]:
    return {Path(val).stem: Path(train).stem for val, train in pairs}


def test_planted_leaks_of_each_kind_are_found_and_a_fresh_scene_is_none(leaky):
    report, _ = audit([leaky])
    leak = report["leakage"]
    assert names(leak["same_picture"]["pairs"]) == {"again": "camera0_0000"}
    assert names(leak["near_duplicate"]["pairs"]) == {
        "again": "camera0_0000",
        "later": "camera1_0001",
        "mirrored": "camera2_0002",
        "resized": "camera3_0003",
    }
    assert (leak["val"], leak["train"], report["mirrored_pairs"]) == (5, 6, 1)
    assert [sorted(Path(file).stem for file in alike) for alike in report["duplicates"]] == [["again", "camera0_0000"]]


def test_a_camera_in_both_splits_of_a_manifest_is_a_leak_that_training_would_refuse(tmp_path):
    put(tmp_path, "all", "a", scene(1)), put(tmp_path, "all", "b", scene(2))
    rows = [
        f"all/img/{name}.png,all/gt/{name}.png,real_smoke,ridge,{split}"
        for name, split in (("a", "train"), ("b", "val"))
    ]
    (tmp_path / "manifest.csv").write_text("\n".join(["file,mask,kind,group,split", *rows]), encoding="utf-8")
    surveyed = survey([tmp_path])
    assert names(leakage(surveyed, pairs_of(surveyed))["same_group"]["pairs"]) == {"b": "a"}
    with pytest.raises(DataError, match="group 'ridge'"):
        read_frames(tmp_path, "all")


def test_faults_kinds_sizes_and_places_are_counted(leaky):
    (leaky / "train/img/camera5_0005.png").write_bytes(b"no picture")
    cv2.imwrite(str(leaky / "train/gt/camera4_0004.png"), np.full((9, 9), 255, np.uint8))
    report, _ = audit([leaky])
    assert sorted("camera5" in fault for fault in report["faults"]) == [False, True]
    assert report["frames"] == {"clear": {"train": 0, "val": 1}, "real_smoke": {"train": 6, "val": 4}}
    assert report["picture_sizes"] == {"128 x 96": 8, "200 x 150": 1}
    assert sum(report["smoke_sizes"].values()) == 8
    assert report["smoke_places"] == [1, 7, 0, 0, 0, 0, 0, 0, 0]  # the resized one is wider, its plume is not


def test_smoke_of_a_manifest_whose_mask_is_empty_is_named(tmp_path):
    for name in "ab":
        put(tmp_path, "all", name, scene(ord(name)), smoke=name == "b")
    rows = [f"all/img/{name}.png,all/gt/{name}.png,real_smoke,{name},train" for name in "ab"]
    (tmp_path / "manifest.csv").write_text("\n".join(["file,mask,kind,group,split", *rows]), encoding="utf-8")
    report, _ = audit([tmp_path])
    assert [Path(file).stem for file in report["empty_masks"]] == ["a"]
    assert report["smoke_sizes"]["none"] == 1


def test_the_mask_that_a_model_finds_least_likely_comes_first(leaky):
    wrong = leaky / "train/gt/camera3_0003.png"
    cv2.imwrite(str(wrong), 255 - cv2.imread(str(wrong), cv2.IMREAD_UNCHANGED))
    nothing = np.zeros((32, 32), np.float32)
    predictor = Predictor(
        lambda _: SegmentationMaps(nothing, nothing, nothing, nothing), 32, 0.001, 0.5, "sees nothing"
    )
    report, _ = audit([leaky], predictor)
    first, second, *_ = report["doubtful_masks"]
    assert first["file"] == str(leaky / "train/img/camera3_0003.png")
    assert first["surprise_nats"] > 5 * second["surprise_nats"]


def test_surprise_is_the_mean_of_minus_log_p():
    probability, mask = np.array([[0.5, 0.25]], np.float32), np.array([[1.0, 0.0]], np.float32)
    assert surprise(probability, mask) == pytest.approx(-(np.log(0.5) + np.log(0.75)) / 2)


def test_the_page_holds_its_pictures_and_the_text_its_numbers(leaky, tmp_path):
    report, surveyed = audit([leaky])
    write_audit(report, surveyed, tmp_path / "out")
    page = (tmp_path / "out/audit.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg;base64,") > 20
    assert "http" not in page
    assert "4 of 5 (80%)" in page
    assert "known by heart" in page
    assert "| leak: frames of val with a near-duplicate in train | 4 of 5 (80%) |" in as_text(report)
    assert table_row(report, "Mine") == "| Mine | 11 | Real |  | X |"


@pytest.mark.parametrize("key", ["group", "scene", "folder"])
def test_a_split_has_no_leak_whatever_it_goes_by(leaky, tmp_path, key):
    if key == "folder":
        with pytest.raises(DataError, match="all 11 frames belong together by folder"):
            split_without_leaks(survey([leaky]), key, 0.3, seed=0)
        return
    write_split(split_without_leaks(survey([leaky]), key, 0.3, seed=0), tmp_path / "split")
    surveyed = survey([tmp_path / "split"])
    leak = leakage(surveyed, pairs_of(surveyed))
    assert [leak[kind]["frames"] for kind in ("same_picture", "near_duplicate", "same_group")] == [0, 0, 0]
    assert (leak["train"] + leak["val"], leak["val"]) == (11, pytest.approx(3.3, abs=1.4))


def test_a_split_that_cannot_be_written_leaves_no_part_of_it(leaky, tmp_path, monkeypatch):
    """Half a manifest was taken for all of the data, by `quick` above all, which does not split again."""
    rows = split_without_leaks(survey([leaky]), "group", 0.3, seed=0)
    real = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        real(path, content[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        write_split(rows, tmp_path / "split")
    assert list((tmp_path / "split").iterdir()) == []


def test_names_that_are_no_utf_8_are_audited_and_no_split_is_written_that_cannot_name_them(
    leaky, tmp_path_factory, capfd
):
    out = tmp_path_factory.mktemp("out")
    for path in [*leaky.rglob("camera0_*")]:
        path.rename(path.with_name(f"h\udcfc{path.name}"))
    assert main(["audit", str(leaky), "--out", str(out / "audit")]) == 0
    assert main(["split", str(leaky), "--by", "scene", "--out", str(out / "split")]) == 2
    assert "found a name that is no UTF-8" in capfd.readouterr().err
    assert list((out / "split").iterdir()) == []


def test_frames_that_no_split_can_have_are_said_to_be_left_out(leaky, tmp_path, capfd):
    (broken,) = leaky.rglob("img*/camera0_*")
    broken.write_bytes(b"no picture")
    assert main(["split", str(leaky), "--by", "scene", "--out", str(tmp_path / "split")]) == 0
    assert f"1 frames left out, which cannot be used, the first: {broken}" in capfd.readouterr().out.replace("\n", "")


@pytest.mark.parametrize("seed", ["-1", "many", "9" * 5000])
def test_a_seed_that_is_none_is_refused_in_words(tmp_path, capfd, seed):
    with pytest.raises(SystemExit):
        main(["split", str(tmp_path), "--out", str(tmp_path / "split"), "--seed", seed])
    assert "expected a whole number from 0" in capfd.readouterr().err


def test_frames_of_one_name_but_for_their_counters_stay_together(tmp_path):
    for number, seed in enumerate((1, 2, 3, 4)):
        put(tmp_path, "all", f"{'ridge' if number < 2 else 'lake'}_2024-05-0{number}_{number:03d}", scene(seed))
    rows = split_without_leaks(survey([tmp_path]), "name", 0.5, seed=0)
    sides = {name_without_counter(frame.image): split for split, _, frame in rows}
    assert len(sides) == 2
    assert sorted(split for split, _, _ in rows) == ["train", "train", "val", "val"]


@pytest.mark.parametrize(
    ("name", "without"),
    [
        ("a/ridge_2020-05-04_0012.jpg", "a/ridge"),
        ("a/1528757586.jpg", "a/1528757586"),
        ("a/cam 3.PNG", "a/cam"),
        ("a/north.png", "a/north"),
    ],
)
def test_counters_at_the_end_of_a_name_are_left_out(name, without):
    assert name_without_counter(Path(name)) == without


def test_outlines_become_masks_and_a_manifest_is_never_overwritten(tmp_path):
    for name, seed in (("a", 1), ("b", 2)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), scene(seed))
        shape = '{"shapes": [{"label": "smoke", "points": [[10, 10], [30, 10], [30, 40], [10, 40]]}]}'
        (tmp_path / f"{name}.json").write_text(shape, encoding="utf-8")
    before = {frame.image.name: load_mask(frame, (HEIGHT, WIDTH)) for frame in read_frames(tmp_path, "all")}
    out = tmp_path / "split"
    assert main(["split", str(tmp_path), "--by", "scene", "--val", "0.5", "--out", str(out)]) == 0
    after = {frame.image.name: load_mask(frame, (HEIGHT, WIDTH)) for frame in read_frames(out, "all")}
    assert before.keys() == after.keys()
    assert all(np.array_equal(before[name], after[name]) and after[name].any() for name in before)
    assert main(["split", str(tmp_path), "--by", "scene", "--out", str(out)]) == 2


def test_pairs_are_found_across_blocks_once_each(monkeypatch):
    monkeypatch.setattr("training.audit.descriptor._BLOCK", 2)
    described = np.stack([scene_descriptor(scene(seed)) for seed in (1, 2, 1, 3, 2)])
    assert [pair[:2] for pair in near_pairs(described)] == [(0, 2), (1, 4)]
    assert clusters(5, [(0, 2), (2, 4)]).tolist() == [0, 1, 0, 2, 0]


def test_pictures_without_anything_on_them_are_like_each_other_and_like_no_scene():
    described = np.stack([scene_descriptor(each) for each in (scene(1) * 0, scene(1), scene(1) * 0 + 90)])
    assert [pair[:2] for pair in near_pairs(described)] == [(0, 2)]


def test_the_command_line_says_what_is_wrong(tmp_path, capsys):
    assert main(["audit", str(tmp_path / "nowhere")]) == 2
    assert "nowhere: not a folder" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["split", str(tmp_path), "--val", "1.5", "--out", str(tmp_path / "x")])
    assert "found '1.5', expected a share between 0 and 1" in capsys.readouterr().err
