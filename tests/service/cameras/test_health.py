"""Pictures that a camera would send if it were blind, and one that is well."""

import cv2
import numpy as np
import pytest

from models.drift import Histogram, psi
from service.cameras.health import FRAMES_MIN, DriftMonitor, FreezeDetector, PanDetector, quality_flags
from service.pipeline.image_stats import image_stats


def scene(seed: int = 0) -> np.ndarray:
    """A bright sky over a rough dark slope, (480, 480, 3)."""
    grain = np.random.default_rng(seed).normal(0, 20, (480, 480, 1))
    frame = np.full((480, 480, 3), (150, 180, 220), float)
    frame[240:] = (60, 80, 50)
    frame[240:] += grain[240:]
    coarse = cv2.resize(np.random.default_rng(9).normal(0, 30, (60, 60)), (480, 480))
    frame[240:] += coarse[240:, :, None]
    return np.clip(frame, 0, 255).astype(np.uint8)


def foggy(share: float) -> np.ndarray:
    return (scene() * (1 - share) + 190 * share).astype(np.uint8)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (scene(), set()),
        ((scene() * 0.1).astype(np.uint8), {"dark"}),
        (np.clip(scene().astype(int) * 3 + 60, 0, 255).astype(np.uint8), {"overexposed"}),
        (foggy(0.9), {"fogged"}),
        (cv2.GaussianBlur(scene(), (0, 0), 10), {"blurred"}),
        (np.full((480, 480, 3), 128, np.uint8), {"fogged"}),
    ],
    ids=["well", "dark", "overexposed", "fogged", "blurred", "plain"],
)
def test_what_is_wrong_with_a_picture(frame, expected):
    assert quality_flags(image_stats(frame)) == expected


def test_a_camera_that_repeats_itself_is_frozen_from_the_third_frame_on():
    stillness = FreezeDetector()
    assert [stillness.frozen(image_stats(scene())) for _ in range(4)] == [False, False, True, True]


def test_a_clock_that_goes_on_does_not_hide_a_frozen_picture():
    stillness = FreezeDetector()
    frozen = []
    for second in range(4):
        frame = scene()
        frame[:12, : 20 + 5 * second] = 255
        frozen.append(stillness.frozen(image_stats(frame)))
    assert frozen == [False, False, True, True]


def test_a_camera_whose_noise_changes_is_not_frozen():
    stillness = FreezeDetector()
    assert not any(stillness.frozen(image_stats(scene(seed))) for seed in range(5))


def test_a_dark_camera_cannot_be_told_frozen():
    stillness = FreezeDetector()
    assert not any(stillness.frozen(image_stats(np.zeros((480, 480, 3), np.uint8))) for _ in range(5))


def presets(number: int) -> np.ndarray:
    """What one of the views of a camera shows: the same sky and light, another skyline."""
    frame = scene(number)
    skyline = np.random.default_rng(number).integers(120, 360, 12)
    for column, top in enumerate(skyline):
        frame[top:, 40 * column : 40 * (column + 1)] = frame[479, 0] // 2 + 10 * (column % 3)
    return frame


@pytest.mark.parametrize(("views", "flagged"), [(1, False), (2, True), (3, True), (8, True)])
def test_a_camera_whose_view_keeps_changing_pans(views, flagged):
    pan = PanDetector()
    assert [pan.panning(image_stats(presets(number % views))) for number in range(24)][-1] is flagged


def test_a_camera_that_was_turned_once_does_not_pan():
    pan = PanDetector()
    assert not any(pan.panning(image_stats(presets(number // 12))) for number in range(24))


def test_a_camera_that_shakes_and_whose_light_changes_does_not_pan():
    pan = PanDetector()
    random = np.random.default_rng(1)
    for number in range(24):
        frame = np.roll(presets(0), random.integers(-15, 16, 2), axis=(0, 1))
        assert not pan.panning(image_stats((frame * (0.6 + 0.4 * (number % 2))).astype(np.uint8)))


def test_pictures_that_show_nothing_do_not_pan():
    pan = PanDetector()
    assert not any(pan.panning(image_stats(foggy(0.9 + 0.002 * number))) for number in range(24))


HALVES = Histogram((0.0, 0.5, 1.0), (0.5, 0.5))


def feed(drift: DriftMonitor, values, reference=HALVES) -> dict[str, float]:
    for value in values:
        drifted = drift.take({"brightness": value}, {"brightness": reference})
    return drifted


def test_too_few_frames_say_nothing():
    assert feed(DriftMonitor(), [0.9] * (FRAMES_MIN - 1)) == {}


def test_frames_as_at_the_release_have_not_drifted():
    assert feed(DriftMonitor(), [0.1, 0.9] * FRAMES_MIN) == {"brightness": 0.0}


def test_frames_unlike_the_release_have_drifted_as_computed_by_hand():
    assert feed(DriftMonitor(), [0.1, 0.9, 0.9, 0.9] * 30)["brightness"] == pytest.approx(psi([0.25, 0.75], [0.5, 0.5]))


def test_what_was_long_ago_is_forgotten():
    drift = DriftMonitor()
    feed(drift, [0.9] * 500)
    assert feed(drift, [0.1, 0.9] * 120)["brightness"] == 0.0


def test_a_release_with_other_bins_starts_anew():
    drift = DriftMonitor()
    feed(drift, [0.9] * FRAMES_MIN)
    assert feed(drift, [0.9], Histogram((0.0, 0.25, 1.0), (0.5, 0.5))) == {}


def test_a_quantity_without_a_reference_is_left_out():
    assert DriftMonitor().take({"brightness": 0.5}, {}) == {}
