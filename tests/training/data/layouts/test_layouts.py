"""Data as others lay it out: each reader finds the same smoke in the same picture."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.geometry import Box
from training.data.checks import check_frames
from training.data.files import DataError
from training.data.folders import read_frames
from training.data.frames import BOXED, REAL_SMOKE, load_mask

HEIGHT, WIDTH = 40, 60
LEFT, TOP, RIGHT, BOTTOM = 12, 8, 36, 28
"""Of the smoke; as pixels [LEFT, RIGHT) x [TOP, BOTTOM)."""
CORNERS = [LEFT, TOP, RIGHT, TOP, RIGHT, BOTTOM, LEFT, BOTTOM]


def picture(path: Path, size: tuple[int, int] = (HEIGHT, WIDTH)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((*size, 3), 120, np.uint8))
    return path


def smoke() -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), np.float32)
    mask[TOP:BOTTOM, LEFT:RIGHT] = 1.0
    return mask


def mask_file(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), (255 * smoke()).astype(np.uint8))
    return path


def text(path: Path, content: str | dict) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def coco(segmentation: object, **image: int) -> dict:
    return {
        "images": [
            {"id": 7, "file_name": "a.jpg", "width": WIDTH, "height": HEIGHT, **image},
            {"id": 8, "file_name": "calm.jpg"},
        ],
        "categories": [{"id": 1, "name": "Fire"}, {"id": 3, "name": "Wildfire smoke"}],
        "annotations": [
            {
                "id": 1,
                "image_id": 7,
                "category_id": 3,
                "segmentation": segmentation,
                "bbox": [LEFT, TOP, RIGHT - LEFT, BOTTOM - TOP],
            },
            {"id": 2, "image_id": 7, "category_id": 1, "segmentation": [[0, 0, 5, 0, 5, 5]], "bbox": [0, 0, 5, 5]},
        ],
    }


def shares(*pixels: float) -> str:
    return " ".join(str(value / (HEIGHT if index % 2 else WIDTH)) for index, value in enumerate(pixels))


def run_lengths() -> dict:
    column = smoke().T.ravel().astype(int)
    edges = np.flatnonzero(np.diff(column)) + 1
    return {"size": [HEIGHT, WIDTH], "counts": np.diff([0, *edges, column.size]).tolist()}


def smoke5k(root: Path) -> None:
    picture(root / "train/img/a.jpg"), mask_file(root / "train/gt/a.png")
    picture(root / "test/img/b.jpg"), mask_file(root / "test/gt/b.png")


def test_smoke5k_is_read_with_its_test_frames_as_val(tmp_path):
    smoke5k(tmp_path)
    (train,), (val,) = read_frames(tmp_path, "train"), read_frames(tmp_path, "val")
    assert (train.image.name, val.image.name) == ("a.jpg", "b.jpg")
    assert np.array_equal(load_mask(val, (HEIGHT, WIDTH, 3)), smoke())
    assert train.kind == val.kind == REAL_SMOKE


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("img/a.jpg", "gt/a.png"),
        ("DS01/img/a.png", "DS01/mask/a.png"),
        ("Images/A b.JPG", "Masks/A b_mask.PNG"),
        ("images/train/ä.jpg", "masks/train/ä.png"),
        ("deep/down/frames/1.jpg", "deep/down/label/1.png"),
    ],
)
def test_pictures_and_masks_in_folders_of_their_own_are_pairs(tmp_path, image, mask):
    picture(tmp_path / image), mask_file(tmp_path / mask)
    text(tmp_path / Path(image).parent / ".DS_Store", "x"), text(tmp_path / Path(image).parent / "Thumbs.db", "x")
    (frame,) = read_frames(tmp_path, "all")
    assert frame.image == tmp_path / image
    assert np.array_equal(load_mask(frame, (HEIGHT, WIDTH)), smoke())


def test_an_empty_mask_beside_others_is_a_frame_without_smoke(tmp_path):
    smoke5k(tmp_path)
    picture(tmp_path / "test/img/calm.jpg")
    cv2.imwrite(str(tmp_path / "test/gt/calm.png"), np.zeros((HEIGHT, WIDTH), np.uint8))
    found = {frame.image.stem: (frame.kind, frame.mask is None) for frame in read_frames(tmp_path, "val")}
    assert found == {"b": (REAL_SMOKE, False), "calm": ("clear", True)}


def test_masks_that_are_all_empty_are_refused_for_they_are_not_written_as_was_meant(tmp_path):
    smoke5k(tmp_path)
    cv2.imwrite(str(tmp_path / "test/gt/b.png"), np.zeros((HEIGHT, WIDTH), np.uint8))
    with pytest.raises(DataError, match="the masks of all 1 frames of kind real_smoke are empty"):
        check_frames(read_frames(tmp_path, "all"))


@pytest.mark.parametrize("lonely", ["train/img/c.jpg", "train/gt/c.png"])
def test_a_picture_without_a_mask_and_a_mask_without_a_picture_are_refused_by_name(tmp_path, lonely):
    smoke5k(tmp_path)
    picture(tmp_path / lonely)
    with pytest.raises(DataError, match=Path(lonely).name):
        read_frames(tmp_path, "all")


@pytest.mark.parametrize("segmentation", [[CORNERS], run_lengths()], ids=["polygon", "run lengths"])
def test_coco_draws_smoke_and_no_other_class(tmp_path, segmentation):
    picture(tmp_path / "train/a.jpg"), picture(tmp_path / "train/calm.jpg")
    text(tmp_path / "annotations/instances_train2017.json", coco(segmentation))
    drawn, calm = read_frames(tmp_path, "train")
    assert np.array_equal(load_mask(drawn, (HEIGHT, WIDTH)), smoke())
    assert (calm.kind, calm.mask) == ("clear", None)


def test_coco_with_boxes_alone_gives_boxes(tmp_path):
    picture(tmp_path / "a.jpg"), picture(tmp_path / "calm.jpg")
    text(tmp_path / "_annotations.coco.json", coco([]))
    frame, _ = read_frames(tmp_path, "train")
    assert (frame.kind, frame.mask) == (BOXED, None)
    assert frame.boxes == (Box(LEFT, TOP, RIGHT - LEFT, BOTTOM - TOP),)


def test_coco_of_a_picture_of_another_size_is_refused_with_both(tmp_path):
    picture(tmp_path / "a.jpg"), picture(tmp_path / "calm.jpg")
    text(tmp_path / "all.json", coco([CORNERS], width=120))
    with pytest.raises(DataError, match=r"all\.json: a\.jpg is 120 x 40 pixels there, the picture is 60 x 40"):
        read_frames(tmp_path, "all")


def test_classes_of_which_none_is_smoke_are_refused_by_name(tmp_path):
    picture(tmp_path / "a.jpg"), picture(tmp_path / "calm.jpg")
    content = coco([CORNERS])
    content["categories"][1]["name"] = "cloud"
    text(tmp_path / "all.json", content)
    with pytest.raises(DataError, match="found the classes Fire, cloud; expected one with smoke in its name"):
        read_frames(tmp_path, "all")


def test_labelme_polygons_are_outlines_and_a_picture_without_a_file_is_clear(tmp_path):
    picture(tmp_path / "a.jpg"), picture(tmp_path / "b.jpg")
    points = np.reshape(CORNERS, (-1, 2)).tolist()
    text(tmp_path / "a.json", {"shapes": [{"label": "smoke", "points": points, "shape_type": "polygon"}]})
    drawn, calm = read_frames(tmp_path, "all")
    assert np.array_equal(load_mask(drawn, (HEIGHT, WIDTH)), smoke())
    assert calm.kind == "clear"


def test_labelme_rectangles_are_boxes(tmp_path):
    picture(tmp_path / "a.jpg")
    shape = {"label": "smoke", "points": [[RIGHT, BOTTOM], [LEFT, TOP]], "shape_type": "rectangle"}
    text(tmp_path / "a.json", {"shapes": [shape]})
    (frame,) = read_frames(tmp_path, "all")
    assert frame.boxes == (Box(LEFT, TOP, RIGHT - LEFT, BOTTOM - TOP),)


def test_yolo_segments_are_outlines_and_its_boxes_are_boxes(tmp_path):
    text(tmp_path / "data.yaml", "names: {0: fire, 1: smoke}\n")
    for name, line in (
        ("segment", f"1 {shares(*CORNERS)}\n0 {shares(0, 0, 5, 0, 5, 5)}"),
        ("box", f"1 {shares((LEFT + RIGHT) / 2, (TOP + BOTTOM) / 2, RIGHT - LEFT, BOTTOM - TOP)}\n"),
        ("empty", ""),
    ):
        picture(tmp_path / f"images/val/{name}.jpg"), text(tmp_path / f"labels/val/{name}.txt", line)
    box, empty, segment = read_frames(tmp_path, "val")
    assert box.boxes == (Box(LEFT, TOP, RIGHT - LEFT, BOTTOM - TOP),)
    assert empty.kind == "clear"
    assert np.array_equal(load_mask(segment, (HEIGHT, WIDTH)), smoke())


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("1 .5 .5 .1", "line 1: 3 numbers after the class"),
        ("0 .5 .5 .1 .1\nsmoke .5", "line 2: found 'smoke .5'"),
        ("0 1.5 .5 .1 .1", "expected shares"),
        ("0 .5 .5 0 .1", "line 1: a box without width or height"),
    ],
)
def test_a_line_of_yolo_that_is_no_object_is_refused_with_its_line(tmp_path, line, words):
    picture(tmp_path / "images/a.jpg"), text(tmp_path / "labels/a.txt", line)
    with pytest.raises(DataError, match=rf"a\.txt.*{words}"):
        read_frames(tmp_path, "all")


def test_voc_boxes_are_boxes(tmp_path):
    picture(tmp_path / "JPEGImages/a.jpg")
    box = f"<xmin>{LEFT + 1}</xmin><ymin>{TOP + 1}</ymin><xmax>{RIGHT}</xmax><ymax>{BOTTOM}</ymax>"
    objects = f"<object><name>smoke</name><bndbox>{box}</bndbox></object><object><name>fire</name><bndbox>{box}</bndbox></object>"
    text(tmp_path / "Annotations/a.xml", f"<annotation>{objects}</annotation>")
    (frame,) = read_frames(tmp_path, "all")
    assert frame.boxes == (Box(LEFT, TOP, RIGHT - LEFT, BOTTOM - TOP),)


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("JPEGImages/../Annotations/a.xml", "<annotation><object>", "a.xml: no VOC annotation"),
        (
            "JPEGImages/a.json",
            '{"shapes": [{"label": "smoke", "points": [[1, 2]], "shape_type": "circle"}]}',
            "type 'circle'",
        ),
        (
            "JPEGImages/a.json",
            '{"shapes": [{"label": "smoke", "points": [[1, 2], [3, 4]]}]}',
            "expected x and y of at least 3 points",
        ),
        ("JPEGImages/a.json", "[" * 5000, "a.json: no JSON"),
    ],
)
def test_an_annotation_that_cannot_be_used_is_refused_with_its_file(tmp_path, file, content, words):
    picture(tmp_path / "JPEGImages/a.jpg"), (tmp_path / "Annotations").mkdir(exist_ok=True)
    text(tmp_path / file, content)
    with pytest.raises(DataError, match=words):
        read_frames(tmp_path, "all")


@pytest.mark.parametrize(
    ("files", "words"), [([], "holds no pictures"), (["a.jpg"], "nothing that says where their smoke is")]
)
def test_a_folder_of_no_known_layout_is_refused_in_words(tmp_path, files, words):
    for name in files:
        picture(tmp_path / name)
    with pytest.raises(DataError, match=words):
        read_frames(tmp_path, "all")
