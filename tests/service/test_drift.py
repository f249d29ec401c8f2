import pytest

from models.drift import Histogram, psi
from service.cameras.health import FRAMES_MIN, Drift

HALVES = Histogram((0.0, 0.5, 1.0), (0.5, 0.5))


def feed(drift: Drift, values, reference=HALVES) -> dict[str, float]:
    for value in values:
        drifted = drift.take({"brightness": value}, {"brightness": reference})
    return drifted


def test_too_few_frames_say_nothing():
    assert feed(Drift(), [0.9] * (FRAMES_MIN - 1)) == {}


def test_frames_as_at_the_release_have_not_drifted():
    assert feed(Drift(), [0.1, 0.9] * FRAMES_MIN) == {"brightness": 0.0}


def test_frames_unlike_the_release_have_drifted_as_computed_by_hand():
    assert feed(Drift(), [0.1, 0.9, 0.9, 0.9] * 30)["brightness"] == pytest.approx(psi([0.25, 0.75], [0.5, 0.5]))


def test_what_was_long_ago_is_forgotten():
    drift = Drift()
    feed(drift, [0.9] * 500)
    assert feed(drift, [0.1, 0.9] * 120)["brightness"] == 0.0


def test_a_release_with_other_bins_starts_anew():
    drift = Drift()
    feed(drift, [0.9] * FRAMES_MIN)
    assert feed(drift, [0.9], Histogram((0.0, 0.25, 1.0), (0.5, 0.5))) == {}


def test_a_quantity_without_a_reference_is_left_out():
    assert Drift().take({"brightness": 0.5}, {}) == {}
