"""Ranges for eight bits, where the best is known."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.conftest import SIDE
from tests.pictures import plain
from training.activation_ranges import activation_ranges, least_error_range, rounding_error


def test_values_on_the_steps_are_rounded_without_error():
    assert rounding_error(np.arange(256, dtype=np.float32), 0.0, 255.0) == 0.0


def test_evenly_spread_values_err_by_a_thirty_second_of_the_cubed_step():
    values = np.linspace(-1.0, 1.0, 200_001, dtype=np.float32)
    assert rounding_error(values, -1.0, 1.0) == pytest.approx((2.0 / 255.0) ** 3 / 32.0, rel=0.02)


def test_evenly_spread_values_keep_their_range():
    assert least_error_range(np.linspace(0.0, 6.0, 10_001, dtype=np.float32), 0.0, 6.0) == (0.0, 6.0)


def test_one_far_value_among_many_is_clipped_where_that_errs_less():
    values = np.append(np.random.default_rng(0).normal(size=2_000_000), 30.0).astype(np.float32)
    lowest, highest = least_error_range(values, float(values.min()), 30.0)
    assert highest < 29.0
    assert rounding_error(values, lowest, highest) < rounding_error(values, float(values.min()), 30.0)


def test_a_tensor_that_is_always_zero_has_no_range():
    assert least_error_range(np.zeros(10, np.float32), 0.0, 0.0) == (0.0, 0.0)


def test_the_ranges_are_of_all_frames_and_hold_zero(release: Path, tmp_path: Path):
    frames = [plain(grey, grey, grey, SIDE, SIDE)[None] for grey in (51, 102)]
    model = onnx.load(release / "model.onnx")
    ranges = activation_ranges(model, ["shares", "doubt"], frames, tmp_path)
    assert ranges == {name: (0.0, pytest.approx(0.4, abs=1e-6)) for name in ("shares", "doubt")}
