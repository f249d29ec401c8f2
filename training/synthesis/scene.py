"""One scene: a background seen through smoke of a real fire's size, or through fog, low cloud or dust."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from models.geometry import RGB, Map
from training.data.synthetic import billowing_plume, dust, fog_bank, low_cloud, seen_through, visible
from training.data.transmission import atmospheric_light, dark_channel

SMOKE, NO_SMOKE = "smoke", ("fog", "low_cloud", "dust")
_MEDIAN_SHARE, _SPREAD = 0.0035, 1.45
"""Of the mask in the frame, and the standard deviation of its logarithm: a fifth is below 0.1 %, as in the real part of SMOKE5K."""
_LEAST_SHARE, _MOST_SHARE = 1e-4, 0.3
_AREA = 0.15
"""Share of a square frame that a plume of length 1 covers: where the search for a length begins."""
_TRIES = 4
_LOOKED_AT_PX = 64


@dataclass(frozen=True, slots=True)
class Scene:
    """A rendered frame and all that is known of it: image = background t + light (1 - t).

    Attributes:
        what: smoke, fog, low_cloud or dust.
        image: I, (height, width, 3) uint8.
        transmission: t, (height, width) in [0, 1], in steps of 1 / 65535; 1 is clear air.
        mask: (height, width) of 0.0 and 1.0, smoke that can be seen: 1 - t > 0.1; all 0 without smoke.
        light: A, (3,) whole numbers from 0 to 255.
    """

    what: str
    image: RGB
    transmission: Map
    mask: Map
    light: npt.NDArray[np.float32]


def smoke_scene(background: RGB, rng: np.random.Generator) -> Scene:
    """A plume that rises from the ground, the farther the nearer to the horizon; its colour fades into the haze with distance."""
    height, width = background.shape[:2]
    horizon = horizon_of(background)
    depth = rng.beta(1.0, 3.0)
    source = (rng.uniform(0.05, 0.95) * width / height, horizon + depth * (0.95 - horizon))
    t = _of_share(rng, height, width, source)
    bright = float(np.percentile(background, 95))
    grey = np.clip(bright * rng.uniform(0.7, 1.1), 40.0, 245.0) + rng.normal(0.0, 4.0, 3)
    haze = atmospheric_light(background, dark_channel(background))
    far = (1.0 - depth) ** 2 * rng.uniform(0.2, 0.9)
    return _scene(SMOKE, background, t, (1.0 - far) * grey + far * haze, has_smoke=True)


def smoke_free_scene(background: RGB, rng: np.random.Generator) -> Scene:
    """Fog, low cloud or dust: what a model is to tell from smoke."""
    height, width = background.shape[:2]
    horizon = horizon_of(background)
    what = str(rng.choice(NO_SMOKE))
    haze = np.clip(atmospheric_light(background, dark_channel(background)) * rng.uniform(0.85, 1.05), 60.0, 250.0)
    if what == "fog":
        opacity, light = fog_bank(rng, height, width, (horizon, min(horizon + 0.35, 0.95))), haze
    elif what == "low_cloud":
        opacity, light = low_cloud(rng, height, width, horizon), np.clip(haze * 1.1, 0.0, 250.0)
    else:
        ground = background[round(horizon * height) :].reshape(-1, 3).mean(axis=0)
        opacity, light = (
            dust(rng, height, width, horizon),
            np.clip(0.5 * ground + np.array([105.0, 88.0, 66.0]), 0, 250),
        )
    return _scene(what, background, 1.0 - rng.uniform(0.3, 0.9) * opacity, light, has_smoke=False)


def horizon_of(image: RGB) -> float:
    """Where the sky ends, as a fraction of the height in [0.15, 0.75]: where rows above are brighter or bluer than rows below, most."""
    small = cv2.resize(image, (_LOOKED_AT_PX, _LOOKED_AT_PX), interpolation=cv2.INTER_AREA).astype(np.float32)
    rows = (0.5 * small.mean(axis=2) + small[..., 2] - 0.5 * small[..., 0]).mean(axis=1)
    ends = range(round(0.15 * _LOOKED_AT_PX), round(0.75 * _LOOKED_AT_PX))
    drop = [float(rows[end - 6 : end].mean() - rows[end : end + 6].mean()) for end in ends]
    return ends[int(np.argmax(drop))] / _LOOKED_AT_PX


def _of_share(rng: np.random.Generator, height: int, width: int, source: tuple[float, float]) -> Map:
    """A plume whose visible part has a share of the frame drawn as real ones have: the same shape, made longer or shorter."""
    share = float(np.clip(_MEDIAN_SHARE * np.exp(rng.normal(0.0, _SPREAD)), _LEAST_SHARE, _MOST_SHARE))
    seed = int(rng.integers(2**32))
    length = float(np.sqrt(share * width / height / _AREA))
    for _ in range(_TRIES):
        t = billowing_plume(np.random.default_rng(seed), height, width, length, source)
        found = max(float(visible(t).mean()), 0.1 * share)
        if 0.8 < found / share < 1.25:
            break
        length = float(np.clip(length * np.sqrt(share / found), 0.01, 2.0))
    return t


def _scene(what: str, background: RGB, t: Map, light: npt.NDArray[np.floating], *, has_smoke: bool) -> Scene:
    """As it is written: t in the steps of a 16-bit picture, the light in whole numbers, so that the law holds of the files too."""
    steps = np.float32(65535.0)
    kept = np.asarray(np.round(t * steps) / steps, np.float32)
    whole = np.asarray(np.round(np.clip(light, 0.0, 255.0)), np.float32)
    mask = visible(kept) if has_smoke else np.zeros_like(kept)
    return Scene(what, seen_through(background, kept, whole), kept, mask, whole)
