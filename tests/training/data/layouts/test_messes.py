"""Annotations as nobody meant them: each is refused with its file, read rightly, or counted; none ends the process or is lost."""

import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from models.geometry import Box
from tests.training.data.layouts.test_layouts import CORNERS, HEIGHT, WIDTH, coco, picture, text
from training.data.checks import check_frames
from training.data.files import DataError
from training.data.folders import read_frames
from training.data.frames import BOXED, Frame, load_mask

NAN, FAR = float("nan"), 1e9


def checked(root: Path) -> list[Frame]:
    frames = read_frames(root, "all")
    check_frames(frames)
    return frames


def of_coco(root: Path, content: dict) -> list[Frame]:
    picture(root / "a.jpg"), picture(root / "calm.jpg"), text(root / "all.json", content)
    return checked(root)


def of_yolo(root: Path, line: str, names: str = "names: [smoke, fire]") -> list[Frame]:
    picture(root / "images/a.jpg"), text(root / "labels/a.txt", line), text(root / "data.yaml", names)
    return checked(root)


def of_labelme(root: Path, **shape: object) -> list[Frame]:
    whole = {"label": "smoke", "points": np.reshape(CORNERS, (-1, 2)).tolist(), "shape_type": "polygon", **shape}
    picture(root / "a.jpg"), text(root / "a.json", {"shapes": [whole]})
    return checked(root)


def of_voc(root: Path, inside: str, name: str = "<name>smoke</name>", size: str = "") -> list[Frame]:
    body = f"<annotation>{size}<object>{name}<bndbox>{inside}</bndbox></object></annotation>"
    picture(root / "JPEGImages/a.jpg"), text(root / "Annotations/a.xml", body)
    return checked(root)


@pytest.mark.parametrize(
    "segmentation",
    [
        5,
        "abc",
        [[]],
        CORNERS,
        [[1, 2, 3, 4]],
        [[*CORNERS, 3]],
        [CORNERS, [1]],
        [[NAN] * 8],
        [[None] * 8],
        [[0, 0, FAR, 0, FAR, FAR]],
        [[value + 1000 for value in CORNERS]],
        {"counts": [1]},
        {"size": [HEIGHT, WIDTH], "counts": []},
        {"size": [HEIGHT, WIDTH], "counts": [0.5, 2399.5]},
        {"size": [HEIGHT, WIDTH], "counts": [10, 20]},
        {"size": [HEIGHT, WIDTH], "counts": [-5, 2405]},
        {"size": [10**6, 10**6], "counts": [0, 10**9]},
        {"size": [HEIGHT, WIDTH], "counts": "~~~ \u00e9"},
        {"size": [HEIGHT, WIDTH], "counts": "o" * 99},
    ],
    ids=str,
)
def test_a_segmentation_that_cannot_be_drawn_is_refused_with_file_and_picture(tmp_path, segmentation):
    with pytest.raises(DataError, match=r"all\.json: a\.jpg: "):
        of_coco(tmp_path, coco(segmentation))


def test_compressed_run_lengths_of_coco_are_read(tmp_path):
    blobs = np.random.default_rng(3).random((HEIGHT, WIDTH)) > 0.6
    packed = coco_mask.encode(np.asfortranarray(blobs.astype(np.uint8)))
    drawn, _ = of_coco(tmp_path, coco({"size": [HEIGHT, WIDTH], "counts": packed["counts"].decode()}))
    assert np.array_equal(load_mask(drawn, (HEIGHT, WIDTH)), blobs)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("image_id", "7", "image_id '7' of an annotation is of no image"),
        ("image_id", [7], "annotations.0.image_id"),
        ("category_id", "3", "category_id '3' is none of the categories 1, 3"),
        ("bbox", [NAN] * 4, "annotations.0.bbox"),
    ],
)
def test_an_annotation_of_coco_that_belongs_to_nothing_is_refused(tmp_path, key, value, words):
    content = coco([CORNERS])
    content["annotations"][0][key] = value
    with pytest.raises(DataError, match=rf"all\.json: {words}"):
        of_coco(tmp_path, content)


@pytest.mark.parametrize(
    ("key", "value"),
    [("categories", None), ("categories", [1]), ("images", [None]), ("annotations", [None]), ("annotations", ["x"])],
)
def test_coco_of_other_types_is_refused_with_the_place(tmp_path, key, value):
    with pytest.raises(DataError, match=rf"all\.json: {key}"):
        of_coco(tmp_path, {**coco([CORNERS]), key: value})


def test_two_pictures_of_one_id_are_refused(tmp_path):
    content = coco([CORNERS])
    content["images"][1]["id"] = 7
    with pytest.raises(DataError, match="2 images with 1 different ids"):
        of_coco(tmp_path, content)


def test_a_cut_off_file_of_one_split_is_refused_and_not_left_out(tmp_path):
    picture(tmp_path / "val/b.jpg"), text(tmp_path / "val/all.json", json.dumps(coco([CORNERS]))[:-20])
    with pytest.raises(DataError, match=r"val/all\.json: no JSON"):
        of_coco(tmp_path, coco([CORNERS]))


def test_smoke_with_only_a_box_beside_outlined_smoke_is_not_taught_as_none(tmp_path):
    content = coco([CORNERS])
    content["annotations"].append({"image_id": 7, "category_id": 3, "bbox": [40, 30, 10, 5], "segmentation": []})
    frame, _ = of_coco(tmp_path, content)
    assert (frame.kind, frame.mask) == (BOXED, None)
    assert frame.boxes == (Box(40, 30, 10, 5), Box(12, 8, 24, 20))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("nan .5 .5 .1 .1", "line 1: class nan"),
        ("inf .5 .5 .1 .1", "line 1: class inf"),
        ("-1 .5 .5 .1 .1", "line 1: class -1"),
        (".7 .5 .5 .1 .1", r"line 1: class \.7"),
        ("0 .5 .5 .1 .1\n9 .5 .5 .1 .1", "class 9, expected one of 0, 1"),
        ("0 .5 .5 .5 .5 .5 .5", "covers no pixel"),
    ],
)
def test_a_line_of_yolo_of_no_class_is_refused(tmp_path, line, words):
    with pytest.raises(DataError, match=rf"a\.txt.*{words}"):
        of_yolo(tmp_path, line)


@pytest.mark.parametrize(
    "names", ["names: [", "names: 5", "names: {a: smoke}", "names: {.nan: smoke}", "[" * 3000, "names: \xe9"], ids=str
)
def test_names_of_classes_that_cannot_be_read_are_refused(tmp_path, names):
    (tmp_path / "data.yaml").write_bytes(names.encode("latin-1"))
    picture(tmp_path / "images/a.jpg"), text(tmp_path / "labels/a.txt", "0 .5 .5 .1 .1")
    with pytest.raises(DataError, match=r"data\.yaml"):
        checked(tmp_path)


@pytest.mark.parametrize("place", ["classes.txt", "labels/classes.txt"])
def test_names_of_classes_are_lines_at_the_root_or_beside_the_labels(tmp_path, place):
    picture(tmp_path / "images/a.jpg"), text(tmp_path / "labels/a.TXT", "1 .5 .5 .2 .2\n0 .1 .1 .1 .1")
    text(tmp_path / place, "forest fire\nwhite smoke\n")
    (frame,) = checked(tmp_path)
    assert frame.boxes == (Box(24, 16, 12, 8),)


def test_a_line_without_a_name_counts_among_the_classes(tmp_path):
    picture(tmp_path / "images/a.jpg"), text(tmp_path / "labels/a.txt", "2 .5 .5 .2 .2\n1 .1 .1 .1 .1")
    text(tmp_path / "classes.txt", "forest fire\n\nwhite smoke\n\n")
    (frame,) = checked(tmp_path)
    assert frame.boxes == (Box(24, 16, 12, 8),)


def test_several_classes_without_names_are_refused(tmp_path):
    with pytest.raises(DataError, match="the classes 0, 1, and no data"):
        of_yolo(tmp_path, "0 .5 .5 .1 .1\n1 .5 .5 .1 .1", names="")


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ({"points": [[NAN, 1], [2, 3], [4, 5]]}, "shapes.0.points"),
        ({"points": [[0, 0], [FAR, 0], [FAR, FAR]]}, "expected it in a picture of 60 x 40"),
        ({"points": [], "shape_type": "rectangle"}, "rectangle of 0 points"),
        ({"label": None}, "shapes.0.label"),
    ],
)
def test_a_shape_of_labelme_that_cannot_be_used_is_refused(tmp_path, shape, words):
    with pytest.raises(DataError, match=rf"a\.json.*{words}"):
        of_labelme(tmp_path, **shape)


@pytest.mark.parametrize("content", [{"shapes": None}, {"shapes": "x"}, {"shapes": [None]}, {"other": 1}, [1]], ids=str)
def test_labelme_of_other_types_is_refused(tmp_path, content):
    picture(tmp_path / "a.jpg"), text(tmp_path / "a.json", json.dumps(content))
    with pytest.raises(DataError, match=r"a\.json: "):
        checked(tmp_path)


INSIDE = "<xmin>5</xmin><ymin>5</ymin><xmax>20</xmax><ymax>20</ymax>"


@pytest.mark.parametrize(
    ("inside", "more", "words"),
    [
        ("", {}, "bndbox/xmin ''"),
        (INSIDE.replace("20", "inf"), {}, "expected numbers"),
        (INSIDE, {"name": ""}, "an object without a name"),
        (INSIDE, {"size": "<size><width>600</width></size>"}, "a.jpg is 600 x 40 pixels there"),
        (INSIDE, {"size": "<size><width>a</width></size>"}, "no VOC annotation"),
    ],
)
def test_an_object_of_voc_that_cannot_be_used_is_refused(tmp_path, inside, more, words):
    with pytest.raises(DataError, match=rf"a\.xml: .*{words}"):
        of_voc(tmp_path, inside, **more)


@pytest.mark.parametrize("body", ['<?xml version="1.0" encoding="foo"?><annotation/>', "<html/>"])
def test_xml_of_another_kind_is_refused(tmp_path, body):
    picture(tmp_path / "JPEGImages/a.jpg"), text(tmp_path / "Annotations/a.xml", body)
    with pytest.raises(DataError, match=r"a\.xml: no VOC annotation"):
        checked(tmp_path)
