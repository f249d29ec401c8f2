"""Simulated cameras: brightness, contrast, epistemic uncertainty, novelty over days with nights, weather, fog in the morning and fires.

Levels are those of real cameras of the data at hand (brightness .43 to .51, contrast .19 to .21, 1e-8 nats on frames without smoke,
2e-5 to 7e-4 with it); how they move is made up: no recording at hand is longer than 81 minutes. Novelty is wholly so: 1 to 2 on a
clear day, three times that by night, four times that in thick fog.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

FRAMES_A_DAY: Final = 48
Series = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Days:
    """One value a frame each, half an hour apart from midnight on."""

    brightness: Series
    contrast: Series
    epistemic: Series
    novelty: Series


def simulated(seed: int, days: int) -> Days:
    """A camera of its own light, view and doubt; the same for the same seed."""
    random = np.random.default_rng(seed)
    frames = days * FRAMES_A_DAY
    at = np.arange(frames) / FRAMES_A_DAY
    cloud, fog, fire = (
        _cloud(random, days, at),
        _spells(random, days, 0.15, (2, 12), 8),
        _spells(random, days, 0.1, (3, 5), 24),
    )
    sun = np.sin(2 * np.pi * (at - 0.25))
    light, low = 1 / (1 + np.exp(-12 * sun)), np.exp(-((sun / 0.2) ** 2)) * (sun > 0)
    walk = _walk(random, frames)
    brightest, sharpest, doubt = random.uniform(0.38, 0.55), random.uniform(0.15, 0.28), random.uniform(-5.5, -3.5)
    by_day = brightest - 0.04 + 0.05 * np.clip(sun, 0, 1) - 0.08 * cloud + 0.1 * fog
    brightness = 0.04 + light * by_day + 0.012 * walk + random.normal(0, 0.005, frames)
    contrast = 0.04 + light * (sharpest - 0.04) * (1 - 0.3 * cloud) * (1 - 0.8 * fog) + 0.04 * low + 0.006 * walk
    hazy = random.random(frames) < light * np.clip(0.05 + 0.4 * cloud + 0.8 * fog + 0.5 * low, 0, 1)
    calm = np.where(hazy, 10 ** (doubt + 0.3 * random.normal(size=frames)), 1e-8)
    epistemic = np.where(fire > 0, 10 ** random.uniform(-4, -3, frames), calm)
    noisy = np.clip(contrast + random.normal(0, 0.004, frames), 0.01, 0.5)
    decades = random.uniform(0.0, 0.3) + 0.5 * (1 - light) + 0.1 * cloud + 0.6 * fog + 0.03 * walk
    novelty = 10 ** (decades + random.normal(0, 0.06, frames))
    return Days(np.clip(brightness, 0, 1), noisy, epistemic, novelty)


def _cloud(random: np.random.Generator, days: int, at: Series) -> Series:
    """How cloudy it is, in [0, 1]: one day in five begins a spell, which each further day ends with one chance in two."""
    cloudy = [0.0]
    while len(cloudy) < days:
        cloudy.append(float(random.random() < (0.5 if cloudy[-1] else 0.2)))
    return np.interp(at, np.arange(days) + 0.5, np.array(cloudy) * random.uniform(0.4, 1.0, days))


def _spells(random: np.random.Generator, days: int, chance: float, frames: tuple[int, int], first: int) -> Series:
    """On some days, from about a frame on, for some frames: how thick it is, in [0, 1]."""
    thick = np.zeros((days, FRAMES_A_DAY))
    for day in thick:
        if random.random() < chance:
            start = first + int(random.integers(0, 8))
            day[start : start + int(random.integers(*frames))] = random.uniform(0.4, 0.9)
    return thick.ravel()


def _walk(random: np.random.Generator, frames: int) -> Series:
    """What wanders for hours, about 1 high."""
    steps, at = random.normal(0, 0.3, frames), np.zeros(frames)
    for number in range(1, frames):
        at[number] = 0.95 * at[number - 1] + steps[number]
    return at
