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


def seen_through(image: RGB, transmission: Map, light: npt.NDArray[np.float32]) -> RGB:
    """Koschmieder's law, I = J t + A (1 - t), rounded.

    Args:
        image: J, (height, width, 3) uint8.
        transmission: t, (height, width) in [0, 1]; 1 is clear air.
        light: A, (3,) in [0, 255].

    Returns:
        I, (height, width, 3) uint8. Source: He, Sun and Tang 2011, eq. 1.
    """
    t = transmission[..., None]
    return np.asarray((image * t + light * (1.0 - t)).round().clip(0, 255), np.uint8)


def visible(transmission: Map) -> Map:
    """Where smoke can be seen, (height, width) of 0.0 and 1.0: where 1 - t exceeds 0.1."""
    return (1.0 - transmission > _VISIBLE_ALPHA).astype(np.float32)


def billowing_plume(
    rng: np.random.Generator, height_px: int, width_px: int, length: float, source: tuple[float, float]
) -> Map:
    """The transmission of a plume of puffs: they rise from a point, bend into the wind, grow, and thin out.

    Noise is looked up in coordinates of the plume (along its axis in units of its width, across it), so that puffs have its size.

    Args:
        rng: Source of shape and density.
        height_px, width_px: Size of the frame.
        length: Of the plume, as a fraction of the frame's height.
        source: Where it rises, (x, y) in frame heights.

    Returns:
        t (height_px, width_px) in [0, 1].
    """
    y, x = np.mgrid[0:height_px, 0:width_px].astype(np.float32) / height_px
    wind = rng.normal(0.0, 1.0)
    along, across = _plume_coordinates(x - source[0], source[1] - y, wind, length)
    up = np.clip(along, 0.0, 1.5)
    start, growth = rng.uniform(0.02, 0.06), rng.uniform(0.15, 0.4)
    width = length * (start + growth * up)
    turns = np.log1p(growth / start * up) / growth + rng.uniform(0.0, 8.0)
    sideways = np.asarray(across / width, np.float32)
    coarse, fine = (_looked_up(rng, turns * scale, sideways * scale) for scale in (1.2, 4.0))
    body = np.exp(-((across / width + 1.2 * (coarse - 0.5)) ** 2))
    billows = np.clip(body * (0.3 + 1.5 * fine) - 0.12, 0.0, None)
    fade = np.clip(along / 0.03, 0.0, 1.0) * np.clip(1.0 - along + 0.5 * (coarse - 0.5), 0.0, 1.0) ** rng.uniform(
        0.6, 1.6
    )
    depth = np.exp(rng.uniform(np.log(0.6), np.log(4.0)))
    return np.asarray(np.exp(-depth * billows * fade), np.float32)


def fog_bank(
    rng: np.random.Generator, height_px: int, width_px: int, middle: tuple[float, float] = (0.25, 0.85)
) -> Map:
    """The opacity of ragged haze across the whole frame, (height_px, width_px) in [0, 1], near a height of it in `middle`."""
    ridge = rng.uniform(*middle) + rng.uniform(0.0, 0.15) * (fractal_noise(rng, 1, width_px, octaves=6)[0] - 0.5)
    thickness = np.exp(rng.uniform(np.log(0.02), np.log(0.1))) * (0.4 + 1.2 * fractal_noise(rng, 1, width_px)[0])
    down = np.linspace(0.0, 1.0, height_px, dtype=np.float32)[:, None]
    opacity: Map = np.exp(-(((down - ridge) / thickness) ** 2)) * (0.6 + 0.4 * fractal_noise(rng, height_px, width_px))
    return opacity


def low_cloud(rng: np.random.Generator, height_px: int, width_px: int, horizon: float) -> Map:
    """The opacity of clouds with a flat base above the horizon (as a fraction of the height), (height_px, width_px) in [0, 1]."""
    down = np.linspace(0.0, 1.0, height_px, dtype=np.float32)[:, None]
    base = horizon - rng.uniform(0.0, 0.12)
    tall = rng.uniform(0.06, 0.2)
    above = np.clip((base - down) / 0.015, 0.0, 1.0) * np.exp(-(np.clip(base - down, 0.0, None) / tall))
    billows = np.clip(3.0 * (fractal_noise(rng, height_px, width_px, octaves=8) - rng.uniform(0.4, 0.55)), 0.0, 1.0)
    return np.asarray(above * billows, np.float32)


def dust(rng: np.random.Generator, height_px: int, width_px: int, horizon: float) -> Map:
    """The opacity of dust along the ground, as behind a car: low and long, (height_px, width_px) in [0, 1]."""
    bank = fog_bank(rng, height_px, width_px, (horizon + 0.03, min(horizon + 0.3, 0.95)))
    across = np.linspace(0.0, 1.0, width_px, dtype=np.float32)
    window = np.exp(-(((across - rng.uniform(0.1, 0.9)) / rng.uniform(0.03, 0.12)) ** 2))
    return np.asarray(bank * window, np.float32)


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


def _looked_up(rng: np.random.Generator, rows: Map, columns: Map) -> Map:
    """Fractal noise at places (h, w) of a plane that repeats mirrored, 1 being a cell of its coarsest puffs; in [0, 1]."""
    side = 512
    plane = fractal_noise(rng, side, side, octaves=7)
    across, down = (np.asarray(each * (side / 8.0) + side / 2.0, np.float32) for each in (columns, rows))
    return np.asarray(cv2.remap(plane, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT), np.float32)


def _draw_ridge(image: Map, rng: np.random.Generator, distance: float, haze: npt.NDArray[np.float32]) -> None:
    """Paint one mountain ridge over everything below its crest, in place; distant ones are higher up and hazier."""
    height, width = image.shape[:2]
    crest = 0.82 - 0.38 * distance + 0.22 * (fractal_noise(rng, 1, width, octaves=7)[0] - 0.5)
    below = np.linspace(0.0, 1.0, height, dtype=np.float32)[:, None] > crest[None, :]
    texture = 0.7 + 0.6 * fractal_noise(rng, height, width, octaves=8)[..., None]
    ground = np.array([70, 84, 52], np.float32) * texture
    image[below] = ((1.0 - distance) * ground + distance * haze)[below]
