"""The transmission map on a haze whose thickness and colour are known."""

import cv2
import numpy as np
import pytest

from training.data.transmission import atmospheric_light, dark_channel, transmission


def textured_scene(rng: np.random.Generator, height_px: int = 120, width_px: int = 160) -> np.ndarray:
    """A scene without haze: in every small patch some channel is 0, as the dark channel prior has it."""
    scene = rng.integers(0, 256, (height_px, width_px, 3), dtype=np.uint8)
    scene[::4, ::4] = 0
    return scene


def hazy(scene: np.ndarray, t: np.ndarray, light: tuple[float, float, float]) -> np.ndarray:
    """I = J t + A (1 - t), with a patch of pure sky in the upper left corner."""
    image = scene * t[..., None] + np.array(light) * (1.0 - t[..., None])
    image[:24, :24] = light
    return image.round().astype(np.uint8)


def test_a_synthetic_haze_of_known_thickness_and_colour_is_recovered():
    rng = np.random.default_rng(0)
    t = np.broadcast_to(np.linspace(0.3, 0.9, 160), (120, 160))
    light = (230.0, 235.0, 240.0)
    image = hazy(textured_scene(rng), t, light)
    found = transmission(image)
    away_from_the_sky = np.s_[40:-8, 40:-8]
    # The patch of 15 pixels takes the clearest of its pixels: half a patch of the ramp, and rounding.
    assert np.abs(found - t)[away_from_the_sky].max() < 0.05
    assert atmospheric_light(image, dark_channel(image.astype(np.float32))) == pytest.approx(light, abs=1.0)


def test_a_textured_scene_without_haze_is_clear_air():
    found = transmission(textured_scene(np.random.default_rng(1)))
    assert found.min() > 0.99


def test_the_dark_channel_is_the_smallest_value_of_the_patch_and_of_all_channels():
    image = np.full((33, 33, 3), 200.0, np.float32)
    image[16, 16, 1] = 10.0
    dark = dark_channel(image)
    assert (dark[9:24, 9:24] == 10.0).all()
    assert (dark == 10.0).sum() == 15 * 15


@pytest.mark.parametrize("value", [0, 255])
def test_black_and_white_frames_are_finite_and_in_range(value: int):
    found = transmission(np.full((32, 40, 3), value, np.uint8))
    assert np.isfinite(found).all()
    assert ((found >= 0) & (found <= 1)).all()


def test_smoke_lowers_the_transmission_where_it_is():
    scene = cv2.GaussianBlur(textured_scene(np.random.default_rng(2)), (3, 3), 0)
    smoky = scene.copy()
    smoky[60:100, 60:100] = (0.3 * scene[60:100, 60:100] + 0.7 * 220).astype(np.uint8)
    assert transmission(smoky)[70:90, 70:90].mean() < transmission(scene)[70:90, 70:90].mean() - 0.2
