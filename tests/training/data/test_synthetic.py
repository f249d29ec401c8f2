"""Rendered smoke: the blend is the one that is stated, and a seed is a picture."""

import numpy as np
import pytest

from training.data.synthetic import add_smoke, fractal_noise, render_landscape, render_plume


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def halves(left: int) -> np.ndarray:
    """Right half white, which alone decides the colour of the smoke; left half of one grey."""
    image = np.full((40, 60, 3), 255, np.uint8)
    image[:, :30] = left
    return image


def test_a_known_opacity_is_recovered_from_two_blends():
    # I1' - I2' = (1 - alpha) (I1 - I2) where both get the same smoke.
    alpha = np.tile(np.linspace(0.0, 1.0, 60, dtype=np.float32), (40, 1))
    dark, light = (add_smoke(halves(level), alpha, rng(3))[0].astype(float) for level in (20, 220))
    recovered = 1.0 - (light - dark)[:, :30] / 200.0
    assert recovered == pytest.approx(np.repeat(alpha[:, :30, None], 3, axis=2), abs=0.006)


def test_no_opacity_changes_nothing_and_marks_nothing():
    image, mask = add_smoke(halves(70), np.zeros((40, 60), np.float32), rng())
    assert np.array_equal(image, halves(70))
    assert not mask.any()


def test_full_opacity_hides_what_is_behind_it():
    alpha = np.ones((40, 60), np.float32)
    one, other = add_smoke(halves(0), alpha, rng(1))[0], add_smoke(halves(200), alpha, rng(1))[0]
    assert np.array_equal(one, other)


def test_smoke_counts_where_it_can_be_seen():
    alpha = np.array([[0.0, 0.09, 0.11, 0.9]], np.float32)
    mask = add_smoke(np.zeros((1, 4, 3), np.uint8), alpha, rng())[1]
    assert mask.tolist() == [[0.0, 0.0, 1.0, 1.0]]


def test_blending_leaves_its_arguments_alone():
    image, alpha = halves(50), np.full((40, 60), 0.5, np.float32)
    add_smoke(image, alpha, rng())
    assert np.array_equal(image, halves(50))
    assert (alpha == 0.5).all()


@pytest.mark.parametrize("seed", range(5))
def test_a_plume_is_an_opacity_with_an_inside_and_an_outside(seed):
    alpha = render_plume(rng(seed), 90, 120, 0.5)
    assert alpha.shape == (90, 120)
    assert alpha.dtype == np.float32
    assert alpha.min() == 0.0
    assert 0.1 < alpha.max() <= 1.0
    assert (alpha > 0.1).mean() < 0.5


def test_a_longer_plume_is_larger():
    areas = [
        [(render_plume(rng(seed), 90, 120, length) > 0.1).sum() for seed in range(10)] for length in (0.1, 0.3, 0.6)
    ]
    short, middle, long = (np.mean(sizes) for sizes in areas)
    assert short < middle < long


def test_noise_fills_exactly_zero_to_one():
    noise = fractal_noise(rng(), 33, 47)
    assert noise.shape == (33, 47)
    assert (noise.min(), noise.max()) == (0.0, 1.0)


def test_a_landscape_is_brighter_above_than_below():
    image = render_landscape(rng(), 72, 96)
    assert image.shape == (72, 96, 3)
    assert image.dtype == np.uint8
    assert image[:20].mean() > image[-20:].mean() + 30


def test_a_seed_is_a_picture_and_another_seed_another():
    def picture(seed: int) -> np.ndarray:
        source = rng(seed)
        return add_smoke(render_landscape(source, 36, 48), render_plume(source, 36, 48, 0.5), source)[0]

    assert np.array_equal(picture(4), picture(4))
    assert not np.array_equal(picture(4), picture(5))
