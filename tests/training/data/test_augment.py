"""Views: image, mask and transmission move together, the chosen smoke is inside, and strength 0 changes nothing."""

import numpy as np
import pytest

from tests.pictures import noisy
from training.data.augment import (
    View,
    add_haze_bank,
    add_sun,
    change_light,
    change_quality,
    close_up,
    crop,
    flip,
    whole,
)


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def view_of(image: np.ndarray, mask: np.ndarray) -> View:
    """With a transmission that is 1 outside the mask and 0 inside; all is known."""
    return View(image, mask, 1.0 - mask, np.ones_like(mask))


def marked(top: int, left: int, side: int = 40) -> View:
    """A black frame (240, 320) with a white square where the mask is 1."""
    mask = np.zeros((240, 320), np.float32)
    mask[top : top + side, left : left + side] = 1.0
    return view_of(np.repeat((mask * 255).astype(np.uint8)[..., None], 3, axis=2), mask)


def cut(frame: View, seed: int, centred: float = 1.0) -> View:
    return crop(frame, rng(seed), size_px=96, squashed_px=(120, 200), smoke_centred=centred)


@pytest.mark.parametrize("corner", [(0, 0), (200, 280), (100, 150), (0, 280)])
def test_a_crop_holds_the_chosen_smoke_wherever_it_is(corner):
    # Of a chosen pixel at the square's rim a window may hold so little that no pixel of the view is half smoke.
    held = [cut(marked(*corner), seed).mask.any() for seed in range(50)]
    assert np.mean(held) >= 0.98


def test_a_crop_of_one_pixel_of_smoke_holds_that_pixel():
    for seed in range(50):
        image = np.zeros((240, 320, 3), np.uint8)
        mask = np.zeros((240, 320), np.float32)
        y, x = rng(seed).integers(0, 240), rng(seed).integers(0, 320)
        image[y, x], mask[y, x] = 255, 1.0
        assert cut(view_of(image, mask), seed).image.any()


def test_a_crop_that_need_not_hold_smoke_often_does_not():
    held = [cut(marked(0, 0, 20), seed, centred=0.0).mask.any() for seed in range(60)]
    assert 0.02 < np.mean(held) < 0.6


@pytest.mark.parametrize("seed", range(20))
def test_image_mask_and_transmission_of_a_crop_move_together(seed):
    view = cut(marked(90, 120), seed)
    assert view.image.shape == (96, 96, 3)
    assert view.mask.shape == (96, 96)
    assert set(np.unique(view.mask)) <= {0.0, 1.0}
    differing = (view.image[..., 0] >= 128) != (view.mask > 0)
    assert differing.mean() < 0.02
    assert np.array_equal(view.transmission <= 0.5, view.mask > 0)
    assert view.known.all()
    frame = marked(90, 120)
    boxed = cut(View(frame.image, np.zeros_like(frame.mask), frame.transmission, 1.0 - frame.mask), seed, centred=0.0)
    assert (boxed.known != (boxed.image[..., 0] < 128)).mean() < 0.02


def test_a_crop_larger_than_the_frame_is_the_frame():
    frame = marked(10, 20)
    everything = crop(frame, rng(0), size_px=96, squashed_px=(60, 80), smoke_centred=1.0)
    fitted = whole(frame, 96)
    assert np.array_equal(everything.image, fitted.image)
    assert np.array_equal(everything.mask, fitted.mask)
    assert np.array_equal(everything.transmission, fitted.transmission)


@pytest.mark.parametrize("seed", range(20))
def test_a_close_up_shows_the_smoke_about_as_large_as_inference_does(seed):
    view = close_up(marked(100, 150, 8), rng(seed), size_px=96, smoke_centred=1.0)
    assert view.image.shape == (96, 96, 3)
    across, down = view.mask.any(0).sum() / 96 * 320 / 8, view.mask.any(1).sum() / 96 * 240 / 8
    # 1.7 to 2.9 times, a tenth more or less, and a pixel at either end; less where the smoke is cut at the view's edge.
    assert across < 4.2
    assert down < 4.2
    assert max(across, down) > 1.2
    assert ((view.image[..., 0] >= 128) != (view.mask > 0)).mean() < 0.02


def test_a_frame_without_smoke_is_cropped_anywhere():
    frame = view_of(noisy(0, 320, 240), np.zeros((240, 320), np.float32))
    views = [cut(frame, seed).image for seed in range(3)]
    assert not np.array_equal(views[0], views[1])


def test_the_whole_frame_keeps_a_pixel_as_smoke_where_half_of_it_is():
    mask = np.zeros((4, 4), np.float32)
    mask[0, :2] = 1.0  # half of the upper left block
    mask[2, 2] = 1.0  # a quarter of the lower right one
    assert whole(view_of(np.zeros((4, 4, 3), np.uint8), mask), 2).mask.tolist() == [[1.0, 0.0], [0.0, 0.0]]


def test_a_stroke_of_a_pixel_is_known_at_a_quarter_of_the_size_and_the_rest_is_not():
    mask, known = np.zeros((80, 80), np.float32), np.zeros((80, 80), np.float32)
    mask[41, 10:30], known[41, 10:30], known[61, 50:70] = 1.0, 1.0, 1.0
    seen = whole(View(np.zeros((80, 80, 3), np.uint8), mask, mask, known), 20)
    assert np.argwhere(seen.mask).tolist() == [[10, column] for column in range(2, 8)]
    assert np.argwhere(seen.known - seen.mask).tolist() == [[15, column] for column in range(12, 18)]


def test_of_a_box_that_is_half_covered_by_a_pixel_nothing_is_known_there():
    known = np.ones((80, 80), np.float32)
    known[8:14, 8:16] = 0.0
    seen = whole(View(np.zeros((80, 80, 3), np.uint8), np.zeros_like(known), known, known), 20)
    assert np.argwhere(seen.known == 0).tolist() == [[2, 2], [2, 3]]


def test_a_flip_mirrors_all_or_none_and_half_of_the_time():
    view = view_of(noisy(1, 8, 8), np.arange(64, dtype=np.float32).reshape(8, 8))
    mirrored = 0
    for seed in range(200):
        found = flip(view, rng(seed))
        if np.array_equal(found.image, view.image):
            assert np.array_equal(found.mask, view.mask)
            assert np.array_equal(found.transmission, view.transmission)
        else:
            assert np.array_equal(found.image, view.image[:, ::-1])
            assert np.array_equal(found.mask, view.mask[:, ::-1])
            assert np.array_equal(found.transmission, view.transmission[:, ::-1])
            mirrored += 1
    assert 70 < mirrored < 130


@pytest.mark.parametrize("change", [add_haze_bank, add_sun, change_light, change_quality])
def test_strength_0_changes_nothing(change):
    for seed in range(20):
        image = noisy(seed, 40, 30)
        assert np.array_equal(change(image, rng(seed), 0.0), image)


@pytest.mark.parametrize(
    ("change", "least"), [(add_haze_bank, 1), (add_sun, 1), (change_light, 8), (change_quality, 8)]
)
def test_strength_1_changes_some_pictures_and_never_its_argument(change, least: int):
    changed = 0
    for seed in range(20):
        image = noisy(seed, 40, 30)
        found = change(image, rng(seed), 1.0)
        assert found.shape == image.shape
        assert found.dtype == np.uint8
        changed += not np.array_equal(found, image)
        assert np.array_equal(image, noisy(seed, 40, 30))
    assert changed >= least


def test_a_change_of_light_never_makes_the_darker_pixel_of_a_row_the_brighter():
    ramp = np.tile(np.arange(256, dtype=np.uint8)[None, :, None], (8, 1, 3))
    for seed in range(50):
        found = change_light(ramp, rng(seed), 1.0).astype(int).sum(axis=2)
        assert (np.diff(found, axis=1) >= 0).all()


@pytest.mark.parametrize("seed", range(8))
def test_a_haze_bank_lies_across_the_whole_view_and_leaves_most_of_it_alone(seed: int):
    lifted = add_haze_bank(np.zeros((120, 160, 3), np.uint8), rng(seed), 7.0).mean(axis=2)
    assert (lifted.max(axis=0) > 12).all()
    assert (lifted < 12).mean() > 0.3


def test_haze_banks_are_seldom():
    dark = np.zeros((12, 16, 3), np.uint8)
    assert 10 < sum(add_haze_bank(dark, rng(seed), 1.0).any() for seed in range(200)) < 60


@pytest.mark.parametrize("seed", range(8))
def test_the_sun_is_brightest_high_in_the_view_and_dims_what_is_far_from_it(seed: int):
    grey = np.full((120, 160, 3), 120, np.uint8)
    lit = add_sun(grey, rng(seed), 9.0).mean(axis=2)
    assert np.unravel_index(lit.argmax(), lit.shape)[0] <= 0.3 * 120
    assert lit.max() > 240
    assert lit.min() < lit.max() - 60


def test_the_sun_is_seldom_in_view():
    dark = np.zeros((12, 16, 3), np.uint8)
    assert 10 < sum(add_sun(dark, rng(seed), 1.0).any() for seed in range(200)) < 45
