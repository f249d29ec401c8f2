"""Annotation files, read back by others: pycocotools, OpenCV after YOLO's layout, and what labelme's reader asks of its files."""

import json
from pathlib import Path

import cv2
import jsonschema
import numpy as np
import pytest
import yaml
from pycocotools.coco import COCO

from service.__main__ import main
from service.api.schemas.segment import FileReport
from service.cli.annotations.shapes import region_shapes
from tests.pictures import array_of, file_of, plain

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)  # pycocotools with numpy 2
LABELME = {
    "type": "object",
    "required": ["version", "flags", "shapes", "imagePath", "imageData", "imageHeight", "imageWidth"],
    "additionalProperties": False,
    "properties": {
        **{key: {"type": "string"} for key in ("version", "imagePath")},
        **{key: {"type": "integer"} for key in ("imageHeight", "imageWidth")},
        "flags": {"type": "object"},
        "imageData": {"type": ["string", "null"]},
        "shapes": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["label", "points", "shape_type"],
                "additionalProperties": False,
                "properties": {
                    "label": {"type": "string"},
                    "points": {
                        "type": "array",
                        "minItems": 3,
                        "items": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
                    },
                    "group_id": {"type": ["integer", "null"]},
                    "description": {"type": "string"},
                    "shape_type": {"const": "polygon"},
                    "flags": {"type": "object", "additionalProperties": {"type": "boolean"}},
                    "mask": {"type": "null"},
                },
            },
        },
    },
}
"""What labelme 6.3.1 asks of a file (labelme/_label_file.py): `read_label_file` and `_load_shape_json_obj`."""


def ring_of_smoke() -> np.ndarray:
    """A frame of 192 x 128 with a ring of smoke and a smaller blot beside it."""
    frame = plain(0, 51, 128, 192, 128)
    cv2.ellipse(frame, (60, 64), (40, 48), 0, 0, 360, (204, 102, 51), -1)
    cv2.circle(frame, (60, 64), 18, (0, 51, 128), -1)
    cv2.circle(frame, (150, 40), 20, (204, 102, 51), -1)
    return frame


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in/north").mkdir(parents=True)
    (tmp_path / "in/north/ring.png").write_bytes(file_of(ring_of_smoke()))
    (tmp_path / "in/calm.png").write_bytes(file_of(plain(0, 51, 128, 64, 48)))
    (tmp_path / "in/broken.jpg").write_bytes(b"\xff\xd8\xff")
    return tmp_path / "in"


@pytest.fixture
def out(release: Path, folder: Path, tmp_path: Path) -> Path:
    formats = ["--format", "yolo", "--format", "coco", "--format", "labelme"]
    chosen = [str(folder), "--out", str(tmp_path / "out"), "--tree", "--model-dir", str(release), *formats]
    assert main(["segment", *chosen, "--outputs", "mask", "--resolution", "frame"]) == 1
    return tmp_path / "out"


def mask_of(out: Path) -> np.ndarray:
    return array_of((out / "north/ring.mask.png").read_bytes()) == 255


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    return (one & other).sum() / (one | other).sum()


def test_pycocotools_reads_the_regions_and_draws_them_where_the_mask_is(out):
    found = COCO(out / "coco/instances.json")
    assert [image["file_name"] for image in found.imgs.values()] == ["calm.png", "north/ring.png"]
    (calm,), (ring,) = (
        [image["id"] for image in found.imgs.values() if image["width"] == width] for width in (64, 192)
    )
    assert found.getAnnIds(imgIds=calm) == []
    annotations = found.loadAnns(found.getAnnIds(imgIds=ring, catIds=found.getCatIds(["smoke"])))
    assert len(annotations) == 2
    drawn = [found.annToMask(annotation).astype(bool) for annotation in annotations]
    assert overlap(drawn[0] | drawn[1], mask_of(out)) > 0.95
    for annotation, pixels in zip(annotations, drawn, strict=True):
        rows, columns = np.nonzero(pixels)
        x, y, width, height = annotation["bbox"]
        assert (
            np.abs(
                np.subtract(
                    [x, y, x + width, y + height], [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
                )
            ).max()
            <= 1
        )
        assert annotation["area"] == pytest.approx(pixels.sum(), rel=0.05)
    assert not drawn[0][64, 60]


def test_yolo_has_a_line_for_each_region_in_fractions_of_the_frame_and_nothing_for_a_clear_one(out):
    assert yaml.safe_load((out / "yolo/data.yaml").read_text())["names"] == {0: "smoke"}
    assert (out / "yolo/labels/calm.txt").read_text() == ""
    assert not (out / "yolo/labels/broken.txt").exists()
    lines = (out / "yolo/labels/north/ring.txt").read_text().splitlines()
    drawn = np.zeros((128, 192), np.uint8)
    for line in lines:
        kind, *numbers = line.split()
        points = np.array(numbers, float).reshape(-1, 2)
        assert kind == "0"
        assert (points >= 0).all()
        assert (points <= 1).all()
        cv2.fillPoly(drawn, [np.rint(points * (192, 128)).astype(np.int32)], 1)
    assert len(lines) == 2
    assert overlap(drawn > 0, mask_of(out)) > 0.9
    assert not drawn[64, 60]


def test_labelme_finds_the_picture_and_its_shapes(out, folder):
    file = out / "labelme/north/ring.json"
    content = json.loads(file.read_text())
    jsonschema.validate(content, LABELME)
    assert (file.parent / content["imagePath"]).samefile(folder / "north/ring.png")
    assert (content["imageWidth"], content["imageHeight"]) == (192, 128)
    assert [shape["group_id"] for shape in content["shapes"]] == [0, 1]
    assert json.loads((out / "labelme/calm.json").read_text())["shapes"] == []


def test_shapes_have_few_points(out):
    report = FileReport.model_validate_json((out / "north/ring.json").read_text())
    outline = sum(len(ring) for ring in report.polygons.features[0].geometry.coordinates[0])
    shape, _ = region_shapes(report)
    assert len(shape.polygons[0]) < outline / 3
    assert shape.area_px == mask_of(out)[:, :110].sum()


def test_without_a_format_nothing_of_it_is_written(release, folder, tmp_path):
    chosen = ["--out", str(tmp_path / "out"), "--model-dir", str(release), "--outputs", ""]
    assert main(["segment", str(folder / "calm.png"), *chosen]) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["calm.json"]


def test_what_a_resumed_run_left_out_is_annotated_all_the_same(out, release, folder):
    (out / "coco/instances.json").unlink()
    chosen = [str(folder), "--out", str(out), "--tree", "--model-dir", str(release), "--format", "coco", "--resume"]
    assert main(["segment", *chosen, "--outputs", "mask", "--resolution", "frame"]) == 1
    assert len(json.loads((out / "coco/instances.json").read_text())["annotations"]) == 2
