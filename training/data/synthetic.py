"""Rendered smoke with a known mask, and rendered landscapes: for training, the golden frame and the tests."""

import cv2
import numpy as np
import numpy.typing as npt

from models.geometry import RGB, Map

_VISIBLE_ALPHA = 0.10
"""Opacity from which on a person would draw smoke."""


def fractal_noise(rng: np.random.Generator, height_px: int, width_px: int, octaves: int = 5) -> Map:
    """Smooth noise (height_px, width_px) in [0, 1]: octaves of random grids, each of twice the frequency and half the weight."""
    total = np.zeros((height_px, width_px), np.float32)
    for octave in range(octaves):
        cells = 2 ** (octave + 1) + 1
        grid = rng.random((cells, cells), dtype=np.float32)
        total += cv2.resize(grid, (width_px, height_px), interpolation=cv2.INTER_CUBIC) * 0.5 ** (octave + 1)
    low, high = float(total.min()), float(total.max())
    return (total - low) / max(high - low, 1e-6)


def render_plume(rng: np.random.Generator, height_px: int, width_px: int, length: float) -> Map:
    """The opacity of one plume: it rises from a point, leans with the wind, widens and thins as it goes.

    Args:
        rng: Source of shape, place and density.
        height_px, width_px: Size of the frame.
        length: Length of the plume as a fraction of the frame's height.

    Returns:
        alpha (height_px, width_px) in [0, 1].
    """
    y, x = np.mgrid[0:height_px, 0:width_px].astype(np.float32) / height_px
    source_x = rng.uniform(0.05, 0.95) * width_px / height_px
    source_y = rng.uniform(0.35, 0.9)
    lean = rng.normal(0.0, 0.7)
    along, across = _plume_coordinates(x - source_x, source_y - y, lean, length)
    meander = length * rng.uniform(0.02, 0.12) * np.sin(along * rng.uniform(3.0, 8.0) + rng.uniform(0, 2 * np.pi))
    width = length * (rng.uniform(0.02, 0.06) + rng.uniform(0.1, 0.4) * np.clip(along, 0.0, None))
    profile = np.exp(-(((across - meander * np.clip(along, 0.0, 1.0)) / width) ** 2))
    fade = np.clip(along / 0.03, 0.0, 1.0) * np.clip(1.0 - along, 0.0, 1.0) ** rng.uniform(0.3, 1.2)
    texture = 0.35 + 1.1 * fractal_noise(rng, height_px, width_px, octaves=7)
    return np.asarray(np.clip(rng.uniform(0.35, 1.2) * profile * fade * texture, 0.0, 1.0), np.float32)


def add_smoke(image: RGB, alpha: Map, rng: np.random.Generator) -> tuple[RGB, Map]:
    """Blend smoke into an image: I' = (1 - alpha) I + alpha C, with a grey C near the brightness of the frame's bright parts.

    Returns:
        The new image, and its mask (height, width) of 0.0 and 1.0 where the smoke can be seen.
    """
    bright = float(np.percentile(image, 90))
    colour = np.clip(bright * rng.uniform(0.65, 1.15), 40, 250) + rng.normal(0, 5, 3)
    shading = 0.85 + 0.3 * fractal_noise(rng, *alpha.shape)[..., None]
    weight = alpha[..., None]
    blended = (1.0 - weight) * image + weight * np.clip(colour * shading, 0, 255)
    return blended.round().clip(0, 255).astype(np.uint8), (alpha > _VISIBLE_ALPHA).astype(np.float32)


def render_landscape(rng: np.random.Generator, height_px: int, width_px: int) -> RGB:
    """Sky with clouds over ridges that fade into the haze with distance: (height_px, width_px, 3) uint8 RGB."""
    down = np.linspace(0.0, 1.0, height_px, dtype=np.float32)[:, None]
    zenith, horizon = np.array([88, 136, 200], np.float32), np.array([196, 210, 224], np.float32)
    image = zenith + (horizon - zenith) * down[..., None] + np.zeros((1, width_px, 1), np.float32)
    clouds = np.clip(fractal_noise(rng, height_px, width_px) - 0.62, 0.0, None)[..., None] * (1.2 - down[..., None])
    image += clouds * (250.0 - image)
    for distance in (0.75, 0.5, 0.25, 0.0):
        _draw_ridge(image, rng, distance, horizon)
    return image.round().clip(0, 255).astype(np.uint8)


def _plume_coordinates(
    right: npt.NDArray[np.float32], up: npt.NDArray[np.float32], lean: float, length: float
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Position along the plume (0 at the source, 1 at its end) and across it (in frame heights), for an axis that bends."""
    norm = np.hypot(1.0, lean)
    along = (up + lean * right) / (norm * length)
    across = (right - lean * up) / norm - 0.15 * length * lean * np.clip(along, 0.0, 1.0) ** 2
    return along, across


def _draw_ridge(image: Map, rng: np.random.Generator, distance: float, haze: npt.NDArray[np.float32]) -> None:
    """Paint one mountain ridge over everything below its crest, in place; distant ones are higher up and hazier."""
    height, width = image.shape[:2]
    crest = 0.82 - 0.38 * distance + 0.22 * (fractal_noise(rng, 1, width, octaves=7)[0] - 0.5)
    below = np.linspace(0.0, 1.0, height, dtype=np.float32)[:, None] > crest[None, :]
    texture = 0.7 + 0.6 * fractal_noise(rng, height, width, octaves=8)[..., None]
    ground = np.array([70, 84, 52], np.float32) * texture
    image[below] = ((1.0 - distance) * ground + distance * haze)[below]
