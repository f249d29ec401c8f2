"""What is measured with tiles is what the service answers with them."""

import json

import numpy as np
import pytest

from models.maps import SegmentationMaps
from models.tiles import canvas_px, merge, views
from tests.pictures import noisy
from tests.training.evaluation.red_smoke import SIDE, predictor, read_red, write_frame, write_manifest, write_speck
from training.__main__ import main
from training.data.frames import Frame
from training.evaluation.evaluate import evaluate, write
from training.evaluation.predictor import predict_frame
from training.evaluation.report import headline
from training.evaluation.scores import score_frames


@pytest.fixture
def speck(tmp_path) -> Frame:
    """Certain smoke on 2 x 2 of 106 x 106 pixels: one pixel of the canvas, .36 of one of the square."""
    return write_speck(tmp_path, 106, slice(20, 22), slice(80, 82))


def test_a_frame_is_looked_at_as_the_service_does():
    image = noisy(1, 90, 50)
    expected = merge([read_red(view) for view in views(image, SIDE)])
    for found, map_of_all in zip(
        predict_frame(predictor(read_red)._replace(tiles="2x2"), image), expected, strict=True
    ):
        np.testing.assert_array_equal(found, map_of_all)


def test_a_frame_that_the_square_does_not_shrink_is_looked_at_once():
    seen = []

    def count(view: np.ndarray) -> SegmentationMaps:
        seen.append(view.shape)
        return read_red(view)

    predict_frame(predictor(count)._replace(tiles="2x2"), noisy(1, SIDE, 20))
    assert seen == [(SIDE, SIDE, 3)]


def test_a_speck_is_missed_by_the_square_and_found_with_tiles(speck):
    (without,) = score_frames(predictor(read_red), [speck])
    (with_tiles,) = score_frames(predictor(read_red)._replace(tiles="2x2"), [speck])
    assert not without.hits(128)
    assert with_tiles.hits(128)
    assert with_tiles.regions.truth_fractions.tolist() == [1 / canvas_px(SIDE) ** 2]


def test_a_report_says_that_there_were_tiles_and_is_none_to_release(capsys, tmp_path, speck):
    frames = [speck, write_frame(tmp_path, "free", "b", kind="clear")]
    model = predictor(read_red, 0.5)._replace(tiles="2x2")
    evaluation = evaluate(model, write_manifest(tmp_path, frames), "val")
    write(evaluation, tmp_path / "out")
    assert json.loads((tmp_path / "out/report.json").read_text())["tiles"] == "2x2"
    assert "`val`, whole frame and 2x2 tiles" in headline(evaluation.report)
    assert main(["export", "any.ckpt", "--version", "0.0.1", "--evaluation", str(tmp_path / "out/report.json")]) == 2
    assert "measured with tiles, expected a report of the whole frame alone" in capsys.readouterr().err
