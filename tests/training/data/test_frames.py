"""A data folder read as it is, or refused in words that name the file."""

import csv
import errno
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from models.geometry import Box
from tests.training.data.conftest import write
from tests.training.rendered import COLUMNS, HEIGHT_PX, WIDTH_PX
from training.data.files import DataError
from training.data.folders import frames_to_score, read_frames
from training.data.frames import Frame, load_image, load_known, load_mask, write_png


def test_a_split_holds_its_own_frames_in_the_manifests_order(data):
    train, val = read_frames(data, "train"), read_frames(data, "val")
    assert [frame.image.stem for frame in train] == [f"cam-{group}-{number}" for group in "ab" for number in range(6)]
    assert {frame.group for frame in val} == {"cam-c", "cam-d"}
    assert read_frames(data, "all") == train + val


def test_a_frame_knows_its_mask_its_kind_and_its_camera(folder):
    assert read_frames(folder, "all") == [
        Frame(folder / "a.png", folder / "a-mask.png", "real_smoke", "cam-a"),
        Frame(folder / "b.png", None, "clear", "cam-b"),
    ]


def test_columns_that_nobody_asked_for_are_no_trouble(tmp_path):
    write(tmp_path, ["9,train,cam,clear,,a.png"], "width,split,group,kind,mask,file")
    assert read_frames(tmp_path, "train")[0].image == tmp_path / "a.png"


def test_a_folder_without_a_manifest_says_what_was_expected(tmp_path):
    with pytest.raises(DataError, match=r"holds no pictures, and no manifest\.csv \(file, mask, "):
        read_frames(tmp_path, "train")


def test_a_manifest_without_rows_has_no_frame_of_a_split(tmp_path):
    write(tmp_path, [], ",".join(COLUMNS))
    with pytest.raises(DataError, match="no frame of split 'train'"):
        read_frames(tmp_path, "train")


@pytest.mark.parametrize(
    ("rows", "columns", "words"),
    [
        (["a.png,clear"], "file,kind", ": no column mask, group, split; found"),
        (
            ["a.png,,fog,cam,train"],
            None,
            r", line 2: kind 'fog' of a\.png, expected one of real_smoke, synthetic, clear",
        ),
        (["a.png,,real_smoke,cam,train"], None, r", line 2: a\.png is real_smoke and its mask is ''"),
        (["a.png,m.png,clear,cam,train"], None, r", line 2: a\.png is clear and its mask is 'm\.png'"),
        (["a.png,,clear"], None, r", line 2: row of a\.png is incomplete: group, split"),
        (["a.png,,clear,cam"], None, r", line 2: row of a\.png is incomplete: split"),
    ],
)
def test_a_manifest_that_does_not_say_enough_is_refused(tmp_path, rows, columns, words):
    write(tmp_path, rows, columns or ",".join(COLUMNS))
    with pytest.raises(DataError, match=rf"manifest\.csv{words}"):
        read_frames(tmp_path, "train")


def test_a_picture_comes_red_first(tmp_path):
    cv2.imwrite(str(tmp_path / "red.png"), np.full((4, 6, 3), (0, 0, 255), np.uint8))
    image = load_image(tmp_path / "red.png")
    assert image.shape == (4, 6, 3)
    assert (image == (255, 0, 0)).all()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("absent.png", "not found"),
        ("text.png", "not a picture that OpenCV can read"),
        ("empty.png", "not a picture that OpenCV can read$"),
    ],
)
def test_a_picture_that_cannot_be_had_is_named(tmp_path, name, words):
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty.png").touch()
    with pytest.raises(DataError, match=f"{name}: {words}"):
        load_image(tmp_path / name)


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 3)])
def test_a_picture_is_read_as_it_was_written(tmp_path, shape):
    pixels = np.arange(np.prod(shape)).reshape(shape).astype(np.uint8)
    write_png(pixels, tmp_path / "a.png")
    assert (load_image(tmp_path / "a.png") == (pixels if pixels.ndim == 3 else pixels[..., None])).all()


def test_the_smallest_file_holds_the_same_picture(tmp_path):
    pixels = (np.indices((64, 96)).sum(axis=0)[..., None] * np.array([1, 2, 3])).astype(np.uint8)
    write_png(pixels, tmp_path / "plain.png")
    write_png(pixels, tmp_path / "smallest.png", smallest=True)
    assert np.array_equal(load_image(tmp_path / "smallest.png"), pixels)
    assert (tmp_path / "smallest.png").stat().st_size < (tmp_path / "plain.png").stat().st_size


def test_a_picture_that_the_disk_does_not_take_is_told(tmp_path, monkeypatch):
    """OpenCV said that it was written, and left an empty file."""

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*a\.png'"):
        write_png(np.zeros((4, 6), np.uint8), tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_a_mask_is_zeros_and_ones(tmp_path):
    cv2.imwrite(str(tmp_path / "mask.png"), np.array([[0, 0, 255, 255]], np.uint8))
    mask = load_mask(Frame(tmp_path / "a.png", tmp_path / "mask.png", "real_smoke", "cam"), (1, 4, 3))
    assert mask.dtype == np.float32
    assert mask.tolist() == [[0.0, 0.0, 1.0, 1.0]]


def test_a_smoke_free_frame_has_a_mask_of_zeros(tmp_path):
    mask = load_mask(Frame(tmp_path / "a.png", None, "clear", "cam"), (3, 5, 3))
    assert mask.shape == (3, 5)
    assert not mask.any()


def test_a_mask_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"gone\.png: not found"):
        load_mask(Frame(tmp_path / "a.png", tmp_path / "gone.png", "real_smoke", "cam"), (3, 5, 3))


def test_a_mask_of_another_size_is_named_with_both(tmp_path):
    cv2.imwrite(str(tmp_path / "mask.png"), np.zeros((2, 2), np.uint8))
    with pytest.raises(DataError, match=r"mask\.png: mask is \(2, 2\), its image a\.png is \(3, 5\)"):
        load_mask(Frame(tmp_path / "a.png", tmp_path / "mask.png", "real_smoke", "cam"), (3, 5, 3))


def test_the_rendered_folder_is_what_its_manifest_says(data):
    for frame in read_frames(data, "all"):
        image = load_image(frame.image)
        assert image.shape == (HEIGHT_PX, WIDTH_PX, 3)
        assert load_mask(frame, image.shape).any() == (frame.kind == "real_smoke")


def test_a_manifest_written_by_a_spreadsheet_reads_the_same(data, tmp_path):
    copied = shutil.copytree(data, tmp_path / "copied")
    with (copied / "manifest.csv").open(newline="") as stream:
        rows = list(csv.reader(stream))
    with (copied / "manifest.csv").open("w", newline="", encoding="utf-8-sig") as stream:
        csv.writer(stream, lineterminator="\r\n", quoting=csv.QUOTE_ALL).writerows(rows)
    assert [f.image.name for f in read_frames(copied, "all")] == [f.image.name for f in read_frames(data, "all")]


def test_smoke_of_which_only_boxes_are_known_has_them(another):
    write(another, ["b.png,,real_smoke_box,cam-d,val,1 2 5 9;0 0 3 3"], "file,mask,kind,group,split,boxes")
    (frame,) = read_frames(another, "val")
    assert (frame.kind, frame.mask) == ("real_smoke_box", None)
    assert frame.boxes == (Box(1, 2, 4, 7), Box(0, 0, 3, 3))


def test_scribbles_are_trained_on_and_never_scored(another):
    rows = ["a.png,s.png,real_smoke_scribble,cam-d,val", "b.png,,clear,cam-d,val"]
    write(another, rows)
    assert [frame.kind for frame in read_frames(another, "val")] == ["real_smoke_scribble", "clear"]
    assert [frame.kind for frame in frames_to_score(another, "val", None)] == ["clear"]


def test_what_is_known_of_scribbles_lies_under_the_strokes(tmp_path):
    palette = Image.fromarray(np.array([[0, 1], [2, 0]], np.uint8), "P")
    palette.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    palette.save(tmp_path / "s.png")
    frame = Frame(Path("a.png"), tmp_path / "s.png", "real_smoke_scribble", "cam")
    assert load_mask(frame, (2, 2, 3)).tolist() == [[0, 1], [0, 0]]
    assert load_known(frame, (2, 2, 3)).tolist() == [[0, 1], [1, 0]]


def test_what_is_in_and_near_a_box_is_not_known():
    frame = Frame(Path("a.png"), None, "real_smoke_box", "cam", (Box(10, 20, 8, 4),))
    unknown = np.argwhere(load_known(frame, (40, 30, 3)) == 0)
    # A quarter of each side and a pixel more: 3 across, 2 down.
    assert unknown.min(0).tolist() == [18, 7]
    assert unknown.max(0).tolist() == [25, 20]


@pytest.mark.parametrize(
    ("boxes", "words"),
    [
        ("", r"box '' of b\.png, expected x0 y0 x1 y1"),
        ("1 2 3", r"box '1 2 3' of b\.png"),
        ("1 2 5 9;4 4 4 8", r"box '4 4 4 8' of b\.png is empty"),
        ("-1 0 5 5", r"box '-1 0 5 5' of b\.png is empty or outside"),
    ],
)
def test_boxes_that_are_none_are_named(tmp_path, boxes, words):
    write(tmp_path, [f"b.png,,real_smoke_box,cam-d,val,{boxes}"], "file,mask,kind,group,split,boxes")
    with pytest.raises(DataError, match=words):
        read_frames(tmp_path, "val")


@pytest.mark.parametrize("weight", ["0", "-1", "much", "nan", "1001"])
def test_a_weight_that_is_none_is_named(tmp_path, weight):
    write(tmp_path, [f"b.png,,clear,cam-d,val,{weight}"], "file,mask,kind,group,split,weight")
    with pytest.raises(DataError, match=rf"weight '{weight}' of b\.png, expected a number above 0, at most 1000"):
        read_frames(tmp_path, "val")


def test_a_weight_is_read_and_without_one_a_frame_weighs_as_any(tmp_path):
    write(tmp_path, ["b.png,,clear,b,val,2.5", "c.png,,clear,c,val,"], "file,mask,kind,group,split,weight")
    assert [frame.weight for frame in read_frames(tmp_path, "val")] == [2.5, 1.0]
