"""Pictures for people: fixed scales, marks where they belong."""

import math

import numpy as np
import pytest

from tests.pictures import plain
from tests.training.evaluation.red_smoke import SIDE, read_red, write_frame
from training.evaluation.pictures import answer_panel, contact_sheet, heat, outline
from training.evaluation.predictor import Predictor


def test_doubt_is_coloured_on_a_fixed_scale_and_never_stretched():
    low = np.full((4, 4), 0.01, np.float32)
    assert (heat(low) == heat(np.full((4, 4), 0.01, np.float32))).all()
    assert heat(low).max() < 60
    mixed = low.copy()
    mixed[0, 0] = math.log(2)
    assert (heat(mixed)[1:] == heat(low)[1:]).all()


def test_no_doubt_is_dark_and_full_doubt_is_bright():
    none, full = heat(np.zeros((1, 1), np.float32)), heat(np.full((1, 1), math.log(2), np.float32))
    assert none.sum() < 20
    assert full.sum() > 550


def test_an_outline_follows_the_mask_and_leaves_its_argument():
    image, mask = plain(10, 20, 30, 20, 20), np.zeros((20, 20), bool)
    mask[5:15, 5:15] = True
    drawn = outline(image, mask, (255, 0, 0))
    marked = (drawn == (255, 0, 0)).all(axis=2)
    inside = np.zeros((20, 20), bool)
    inside[6:14, 6:14] = True
    assert np.array_equal(marked, mask & ~inside)
    assert (image == (10, 20, 30)).all()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_sheet_has_two_frames_a_row(tmp_path, count):
    frames = [write_frame(tmp_path, str(number), "a") for number in range(count)]
    sheet = contact_sheet(Predictor(read_red, SIDE, 0.0002, None, "red"), frames, 0.5)
    assert sheet.shape == (320 * math.ceil(count / 2), 2 * 5 * 320, 3)
    assert sheet.dtype == np.uint8


def test_a_sheet_shows_probability_and_doubt_beside_the_frame(tmp_path):
    sheet = contact_sheet(Predictor(read_red, SIDE, 0.0002, None, "red"), [write_frame(tmp_path, "one", "a")], 0.5)
    probability, total = sheet[160, 2 * 320 :][:320], sheet[160, 3 * 320 :][:320]
    assert probability[10].sum() > 550
    assert probability[300].sum() < 20
    assert (total == heat(np.full((1, 1), 0.5 * math.log(2), np.float32))[0, 0]).all()


def test_an_answer_shows_five_tiles_of_the_frames_shape_with_their_names_below():
    frame = plain(255, 0, 0, 64, 48)
    panel = answer_panel(frame, read_red(plain(255, 0, 0, 32, 32)), 0.5)
    assert panel.shape == (240 + 28, 5 * 320, 3)
    assert panel[120, 160].tolist() == [255, 0, 0]
    assert (panel[-28:] < 255).any(axis=(0, 2)).reshape(5, 320).any(axis=1).all()
