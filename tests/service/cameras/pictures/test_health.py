"""Pictures that a camera would send if it were blind, and one that is well."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.drift import DRIFTING, Histogram, psi
from models.manifest import Manifest
from service.cameras.pictures.health import (
    FRAMES_MIN,
    DriftMonitor,
    FreezeDetector,
    PanDetector,
    PastCounts,
    quality_flags,
)
from service.pipeline.image_stats import image_stats
from tests.service.cameras.pictures.simulated_days import FRAMES_A_DAY, Days, simulated


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


DAY_S = 86_400.0
RANGE = {"brightness": Histogram((0.2, 0.5, 0.8), (0.5, 0.5)), "epistemic": Histogram((1e-9, 1e-4, 1e-3), (0.5, 0.5))}


def feed(drift: DriftMonitor, values, quantity="brightness", start_day=0) -> dict[str, float]:
    for number, value in enumerate(values):
        drifted = drift.take({quantity: value}, RANGE, (start_day + number / FRAMES_A_DAY) * DAY_S)
    return drifted


def test_too_few_frames_say_nothing():
    assert feed(DriftMonitor(), [0.9] * (FRAMES_MIN - 1)) == {}


def test_a_new_camera_within_what_the_release_was_tested_on_has_not_drifted_however_narrow_its_own_range():
    assert feed(DriftMonitor(), [0.45] * FRAMES_MIN)["brightness"] < 0.05


def test_a_new_camera_outside_of_what_the_release_was_tested_on_has_drifted_as_computed_by_hand():
    half_outside = feed(DriftMonitor(), [0.45, 0.9] * (FRAMES_MIN // 2))["brightness"]
    assert half_outside == pytest.approx(psi([0.5, 0.5], [0.01, 0.99]))


def test_uncertainties_that_are_rounding_errors_are_within_the_release():
    assert feed(DriftMonitor(), [1e-12] * FRAMES_MIN, "epistemic")["epistemic"] < 0.05
    assert feed(DriftMonitor(), [2e-3] * FRAMES_MIN, "epistemic")["epistemic"] > 4


def test_nights_are_not_held_against_a_release():
    assert feed(DriftMonitor(), [0.05] * FRAMES_MIN) == {}


def test_a_quantity_without_a_reference_needs_a_past():
    drift = DriftMonitor()
    assert [drift.take({"contrast": 0.2}, {}, number * DAY_S / 48) for number in range(11 * 48 + 1)][-2:] == [
        {},
        {"contrast": 0.0},
    ]


def test_a_camera_of_the_same_days_has_not_drifted_and_one_of_other_days_has_by_the_lesser_index_of_two_days():
    drift = DriftMonitor()
    feed(drift, [0.42, 0.62] * 24 * 12)
    told = [feed(drift, [0.72] * 48, start_day=12 + day)["brightness"] for day in range(4)]
    after_one_day = psi([1 / 3, 1 / 3, 1 / 3], [0.5, 0.5, 0.01])
    after_two_days = psi([1 / 6, 1 / 6, 2 / 3], [0.5, 0.5, 0.01])
    assert told == [0.0, 0.0, pytest.approx(after_one_day), pytest.approx(after_two_days)]


def test_a_past_of_other_bins_is_not_taken_over():
    drift = DriftMonitor()
    drift.restore({"brightness": PastCounts(3, [1.0, 2.0]), "glare": PastCounts(3, [0.0] * 20)})
    assert drift.past == {}


LIMIT = 3.3
"""Of SmokeEpistemicDrift and SmokePictureDrift; `tests/deployment/test_rules.py` holds the rules to it."""
RELEASED = Manifest.read(Path("models/released/smoke-embedded-2.0.0")).reference


def drifts_of(seen: Days) -> dict[str, list[float]]:
    """What is told of each quantity, once a day, from the first day on."""
    monitor, told = DriftMonitor(), {name: [] for name in DRIFTING}
    for number in range(len(seen.brightness)):
        values = {name: float(getattr(seen, name)[number]) for name in DRIFTING}
        drifted = monitor.take(values, RELEASED, number / FRAMES_A_DAY * DAY_S)
        if number % FRAMES_A_DAY == FRAMES_A_DAY - 1:
            for name in DRIFTING:
                told[name].append(drifted.get(name, 0.0))
    return told


def test_days_and_nights_weather_fog_in_the_morning_and_fires_are_no_drift_from_the_first_day_on():
    most = dict.fromkeys(DRIFTING, 0.0)
    for seed in range(12):
        for name, told in drifts_of(simulated(seed, 60)).items():
            most[name] = max(most[name], *told)
    assert {name: index for name, index in most.items() if index > 0.9 * LIMIT} == {}


CHANGES = {
    "a dirty lens": ("contrast", lambda before: replace(before, contrast=before.contrast * 0.5)),
    "a fogged lens": (
        "contrast",
        lambda before: replace(before, contrast=before.contrast * 0.35, brightness=before.brightness * 0.9 + 0.08),
    ),
    "another exposure": ("brightness", lambda before: replace(before, brightness=before.brightness + 0.15)),
    "another model": ("epistemic", lambda before: replace(before, epistemic=before.epistemic + 1e-4)),
    "a scene that the model does not know": (
        "epistemic",
        lambda before: replace(before, epistemic=np.maximum(before.epistemic, 3e-5)),
    ),
    "a scene unlike those of the training": ("novelty", lambda before: replace(before, novelty=before.novelty * 4)),
}


@pytest.mark.parametrize(("quantity", "change"), CHANGES.values(), ids=CHANGES)
def test_a_change_that_stays_is_told_within_five_days_and_for_three(quantity, change):
    for seed in range(100, 105):
        calm = simulated(seed, 36)
        after = np.arange(len(calm.brightness)) >= 25.4 * FRAMES_A_DAY
        changed = change(calm)
        mixed = Days(*(np.where(after, getattr(changed, name), getattr(calm, name)) for name in DRIFTING))
        told = np.array(drifts_of(mixed)[quantity])
        assert told[:26].max() < LIMIT
        first = int(np.flatnonzero(told > LIMIT)[0])
        assert first <= 25 + 5
        assert (told[first : first + 3] > LIMIT).all()
