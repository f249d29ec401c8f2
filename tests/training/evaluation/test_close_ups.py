"""What is measured with close-ups is what the service answers with them."""

import json
from dataclasses import asdict

import cv2
import numpy as np
import pytest

from models.close_ups import CloseUps, close_ups
from models.geometry import fit
from tests.pictures import noisy
from tests.training.evaluation.red_smoke import SIDE, predictor, read_red, write_frame, write_manifest, write_speck
from training.data.frames import Frame
from training.evaluation.calibrate import calibrate
from training.evaluation.evaluate import evaluate
from training.evaluation.predictor import predict_frame
from training.evaluation.report import headline

EACH = CloseUps(smallest=0.0001, largest=0.02)


@pytest.fixture
def speck(tmp_path) -> Frame:
    """Smoke on 10 x 10 of 160 x 160 pixels: 2 x 2 of the square, and its rim on the pixels around."""
    return write_speck(tmp_path, 160, slice(78, 88), slice(78, 88))


def test_a_frame_is_looked_at_as_the_service_does():
    image = cv2.GaussianBlur(noisy(1, 90, 50), (0, 0), 4)
    image[..., 0] = cv2.normalize(image[..., 0], None, 0, 255, cv2.NORM_MINMAX)
    whole = read_red(fit(image, SIDE))
    windows = EACH.windows(whole.probability, 90, 50)
    expected = EACH.merge(whole, windows, [read_red(view) for view in close_ups(image, windows, SIDE)])
    assert not np.array_equal(expected.probability, whole.probability)
    for found, of_all in zip(
        predict_frame(predictor(read_red)._replace(close_ups=EACH), image).maps, expected.maps, strict=True
    ):
        np.testing.assert_array_equal(found, of_all)


def test_beside_tiles_there_are_no_close_ups():
    image = noisy(1, 90, 50)
    tiled = predictor(read_red)._replace(tiles="2x2")
    for found, expected in zip(
        predict_frame(tiled._replace(close_ups=EACH), image).maps, predict_frame(tiled, image).maps, strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_the_calibration_is_fitted_to_what_is_shown(tmp_path, speck):
    frames = [speck, write_frame(tmp_path, "other", "b")]
    asked = []

    def count(view):
        asked.append(view.shape)
        return read_red(view)

    calibrate(predictor(count)._replace(close_ups=EACH), frames)
    assert len(asked) == 3


def test_a_report_says_how_it_was_looked_closer(tmp_path, speck):
    frames = [speck, write_frame(tmp_path, "free", "b", kind="clear")]
    model, data = predictor(read_red, 0.5), write_manifest(tmp_path, frames)
    without, closer = evaluate(model, data, "val"), evaluate(model._replace(close_ups=EACH), data, "val")
    assert without.report["close_ups"] is None
    assert json.loads(json.dumps(closer.report["close_ups"])) == asdict(EACH)
    assert "small smoke looked at once more from nearby" in headline(closer.report)
    assert "nearby" not in headline(without.report)
