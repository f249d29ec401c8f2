"""Smoke that is lifted off one ground and laid over another: known opacity and colour before flat grounds."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from models.geometry import RGB, Map
from training.data import copy_paste
from training.data.copy_paste import Plume, cut_plume, paste_plume

GROUND, SMOKE = 100, 200
SIZE = (96, 128)


def disc(radius: int, centre: tuple[int, int] = (64, 60), size: tuple[int, int] = SIZE) -> Map:
    return np.asarray(cv2.circle(np.zeros(size, np.float32), centre, radius, 1.0, cv2.FILLED))


def frame(mask: Map, opacity: float = 0.5) -> RGB:
    """A flat ground with flat smoke before it: I = (1 - a) B + a C."""
    seen = GROUND + opacity * (SMOKE - GROUND) * mask
    return np.repeat(seen[..., None], 3, axis=2).round().astype(np.uint8)


def flat(level: int, size: tuple[int, int] = SIZE) -> RGB:
    return np.full((*size, 3), level, np.uint8)


def lifted(radius: int = 12) -> Plume:
    mask = disc(radius)
    plume = cut_plume(frame(mask), mask)
    assert plume is not None
    return plume


def test_the_difference_is_what_the_smoke_adds_to_its_ground():
    plume = lifted()
    core = cv2.erode(plume.mask, np.ones((7, 7), np.uint8)) > 0
    assert np.allclose(plume.ground[core], GROUND, atol=2.0)
    assert np.allclose(plume.difference[core], 0.5 * (SMOKE - GROUND), atol=2.0)
    assert plume.strength[core].min() > 0.9


def test_there_is_no_difference_far_from_the_smoke():
    plume = lifted()
    outside = cv2.dilate(plume.mask, np.ones((11, 11), np.uint8)) == 0
    assert outside.any()
    assert np.abs(plume.difference[outside]).max() < 0.5
    assert plume.strength[outside].max() < 0.01


def test_it_knows_how_low_and_how_large_the_smoke_was():
    plume = lifted(radius=12)
    assert plume.bottom == pytest.approx(73 / 96)  # rows 48 to 72
    assert plume.share == pytest.approx(25 / 96)
    assert plume.frame == SIZE


def test_over_its_own_ground_the_smoke_looks_as_it_did():
    image, mask = paste_plume(
        lifted(), flat(GROUND), np.zeros(SIZE, np.float32), np.random.default_rng(0), (0.25, 0.25)
    )
    core = cv2.erode(mask, np.ones((9, 9), np.uint8)) > 0
    added = image[core].astype(float) - GROUND
    assert added.size
    assert 0.7 * 50 - 3 <= added.min() <= added.max() <= 1.2 * 50 + 3
    assert np.ptp(added) < 6  # one density for the whole plume


@pytest.mark.parametrize("seed", range(5))
def test_over_a_brighter_ground_it_hides_what_is_behind_it(seed: int):
    """J' = J + k (a (B - J) + D) for a in [.35, .95] and a density k in [.7, 1.2]."""
    image, mask = paste_plume(
        lifted(), flat(220), np.zeros(SIZE, np.float32), np.random.default_rng(seed), (0.25, 0.25)
    )
    core = cv2.erode(mask, np.ones((9, 9), np.uint8)) > 0
    changed = image[core].astype(float) - 220
    if core.any():  # it may be all but as bright as this ground, and is then left out
        assert changed.min() >= 1.2 * (0.95 * (100 - 220) + 50) - 3
        assert changed.max() <= 1.2 * (0.35 * (100 - 220) + 50) + 3


def test_nothing_changes_outside_the_smoke_and_the_arguments_stay_as_they_were():
    ground, empty = flat(40), np.zeros(SIZE, np.float32)
    image, mask = paste_plume(lifted(), ground, empty, np.random.default_rng(1), (0.25, 0.25))
    far = cv2.dilate(mask, np.ones((13, 13), np.uint8)) == 0
    assert mask.any()
    assert np.abs(image[far].astype(int) - 40).max() <= 1
    assert (ground == 40).all()
    assert not empty.any()


def test_smoke_that_is_there_already_stays_smoke():
    there = np.zeros(SIZE, np.float32)
    there[70:73] = 1.0  # a band across the frame, about where the plume's foot comes to lie
    _, mask = paste_plume(lifted(), flat(40), there, np.random.default_rng(1), (0.25, 0.25))
    assert (mask >= there).all()
    assert mask.sum() > there.sum()


@pytest.mark.parametrize("side", [0.1, 0.2, 0.4])
def test_it_has_the_size_that_was_asked_for(side: float):
    size = (480, 640)
    _, mask = paste_plume(lifted(), flat(40, size), np.zeros(size, np.float32), np.random.default_rng(2), (side, side))
    assert np.flatnonzero(mask.any(axis=1)).size / 480 == pytest.approx(side, abs=0.02)


def test_it_is_never_laid_more_than_twice_as_large_as_it_was_seen():
    _, mask = paste_plume(lifted(radius=5), flat(40), np.zeros(SIZE, np.float32), np.random.default_rng(2), (0.9, 0.9))
    assert np.flatnonzero(mask.any(axis=1)).size <= 2 * 11 + 2


def test_smoke_that_cannot_be_seen_before_a_ground_is_not_called_smoke():
    plume = lifted()
    unseen = replace(plume, difference=np.zeros_like(plume.difference))
    ground, empty = flat(GROUND), np.zeros(SIZE, np.float32)
    image, mask = paste_plume(unseen, ground, empty, np.random.default_rng(0), (0.25, 0.25))
    assert image is ground
    assert mask is empty


@pytest.mark.parametrize(
    ("mask", "opacity", "why"),
    [
        (np.zeros(SIZE, np.float32), 0.5, "no smoke"),
        (disc(12), 0.03, "too faint"),
        (disc(45), 0.5, "fills its frame"),
        (disc(1), 0.5, "a few pixels"),
    ],
)
def test_smoke_that_cannot_be_told_from_its_ground_is_not_lifted(mask: Map, opacity: float, why: str):
    assert cut_plume(frame(mask, opacity), mask) is None, why


def test_the_largest_of_several_plumes_is_lifted_and_the_others_are_no_ground():
    large, small = disc(10), disc(4, centre=(86, 60))
    both = np.maximum(large, small)
    plume = cut_plume(frame(both), both)
    assert plume is not None
    assert plume.mask.sum() == large.sum()
    assert np.allclose(plume.ground[plume.mask > 0], GROUND, atol=6.0)


def test_a_hole_is_filled_smoothly_from_around_it():
    ramp = np.repeat(np.linspace(0, 255, 64, dtype=np.float32)[None, :, None], 48, axis=0).repeat(3, axis=2)
    unknown = np.zeros((48, 64), np.float32)
    unknown[18:30, 26:38] = 1.0
    filled = copy_paste._grown(np.where(unknown[..., None] > 0, 0.0, ramp).astype(np.float32), unknown)
    assert np.array_equal(filled[unknown == 0], ramp[unknown == 0])
    assert np.abs(filled - ramp).max() < 25


def test_what_is_known_everywhere_stays_as_it_is():
    picture = np.random.default_rng(0).random((20, 30, 3)).astype(np.float32)
    assert np.array_equal(copy_paste._grown(picture, np.zeros((20, 30), np.float32)), picture)
