"""Folders as nobody meant them: pipes, links, odd names, pictures without their annotations; none ends the process or is lost."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.training.data.layouts.test_layouts import CORNERS, HEIGHT, WIDTH, coco, mask_file, picture, smoke, text
from tests.training.data.layouts.test_messes import checked, of_coco, of_labelme, of_voc, of_yolo
from training.data.files import DataError
from training.data.folders import read_frames, unlisted
from training.data.frames import load_image, load_mask


def test_a_picture_beside_the_root_is_not_read_and_one_by_a_detour_is_listed_twice(tmp_path):
    picture(tmp_path / "secret.jpg"), (tmp_path / "data/train").mkdir(parents=True)
    content = coco([CORNERS])
    content["images"][1]["file_name"] = "../secret.jpg"
    with pytest.raises(DataError, match="is not there"):
        of_coco(tmp_path / "data", content)
    content["images"][1]["file_name"] = "train/../a.jpg"
    with pytest.raises(DataError, match="listed twice"):
        of_coco(tmp_path / "data", content)


@pytest.mark.parametrize(
    ("files", "lonely"),
    [
        (("images/a.jpg", "labels/a.txt"), "labels/b.txt"),
        (("JPEGImages/a.jpg", "Annotations/a.xml"), "Annotations/b.xml"),
        (("a.jpg", "a.json"), "b.json"),
        (("images/a.jpg", "labels/a.txt"), "images/a.png"),
        (("a.jpg", "a.json"), "a.png"),
    ],
)
def test_an_annotation_without_a_picture_or_of_two_is_refused_by_name(tmp_path, files, lonely):
    bodies = {".txt": "0 .5 .5 .1 .1", ".xml": "<annotation/>", ".json": '{"shapes": []}'}
    for name in (*files, lonely):
        path = tmp_path / name
        picture(path) if path.suffix in (".jpg", ".png") else text(path, bodies[path.suffix])
    with pytest.raises(DataError, match=Path(lonely).name):
        checked(tmp_path)


@pytest.mark.parametrize("pipe", ["img/b.jpg", "gt/b.png"])
def test_a_pipe_among_pictures_is_refused_and_not_waited_for(tmp_path, pipe):
    picture(tmp_path / "img/b.jpg"), mask_file(tmp_path / "gt/b.png")
    (tmp_path / pipe).unlink(), os.mkfifo(tmp_path / pipe)
    with pytest.raises(DataError, match="found a folder, a pipe or a device"):
        checked(tmp_path)


def test_names_that_are_no_utf_8_are_read(tmp_path):
    image, mask = (Path(os.fsdecode(os.fsencode(tmp_path) + name)) for name in (b"/img/\xff.jpg", b"/gt/\xff.png"))
    picture(tmp_path / "img/a.jpg").rename(image), mask_file(tmp_path / "gt/a.png").rename(mask)
    (frame,) = checked(tmp_path)
    assert load_image(frame.image).shape == (HEIGHT, WIDTH, 3)
    assert np.array_equal(load_mask(frame, (HEIGHT, WIDTH)), smoke())


def test_a_link_to_a_picture_of_the_other_split_is_the_same_picture(tmp_path):
    rows = "a.jpg,m.png,real_smoke,g,train\nb.jpg,m.png,real_smoke,h,val\n"
    picture(tmp_path / "a.jpg"), mask_file(tmp_path / "m.png"), (tmp_path / "b.jpg").symlink_to("a.jpg")
    text(tmp_path / "manifest.csv", "file,mask,kind,group,split\n" + rows)
    with pytest.raises(DataError, match=r"line 3: b\.jpg is listed twice"):
        checked(tmp_path)


def test_pictures_that_nothing_lists_are_counted(tmp_path):
    frames = of_coco(tmp_path, coco([CORNERS]))
    lost = picture(tmp_path / "train/images/lost.jpg")
    assert unlisted(tmp_path, frames) == [lost]


def two_of(build: Callable[[Path], object]) -> Callable[[Path], object]:
    """The same mess twice, in `train` and in `val`."""
    return lambda root: (build(root / "train"), build(root / "val"))


@pytest.mark.parametrize(
    ("build", "closed"),
    [
        (two_of(lambda root: (picture(root / "img/a.jpg"), mask_file(root / "gt/a.png"))), "val"),
        (two_of(lambda root: (picture(root / "img/a.jpg"), mask_file(root / "gt/a.png"))), "val/gt"),
        (two_of(lambda root: of_coco(root, coco([CORNERS]))), "val"),
        (two_of(of_labelme), "val"),
        (two_of(lambda root: of_yolo(root, "0 .5 .5 .2 .2")), "val/labels"),
        (two_of(lambda root: of_voc(root, "<xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax>")), "val"),
    ],
)
def test_a_folder_that_may_not_be_looked_into_is_refused_and_its_frames_are_not_lost(
    tmp_path, monkeypatch, build, closed
):
    build(tmp_path)
    assert {split for split in ("train", "val") if read_frames(tmp_path, split)} == {"train", "val"}
    scandir = os.scandir

    def forbidding(path):
        if Path(path) == tmp_path / closed:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", forbidding)
    with pytest.raises(DataError, match=rf"{closed}: found a folder that cannot be looked into: Permission denied"):
        read_frames(tmp_path, "all")


def test_what_a_file_system_found_broken_is_root_s_alone_and_no_data(tmp_path):
    of_yolo(tmp_path, "0 .5 .5 .2 .2")
    picture(tmp_path / "lost+found/a.jpg")
    assert [frame.image for frame in checked(tmp_path)] == [tmp_path / "images/a.jpg"]


def test_a_picture_larger_than_opencv_takes_is_refused(tmp_path):
    head = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + (10**6).to_bytes(4) * 2 + b"\x08\2\0\0\0"
    (tmp_path / "a.png").write_bytes(head + bytes(30))
    with pytest.raises(DataError, match=r"a\.png: not a picture"):
        load_image(tmp_path / "a.png")
