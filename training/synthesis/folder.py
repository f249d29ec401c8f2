"""Scenes as a data folder that `train` reads: pictures, masks, transmission maps, `manifest.csv`, and a contact sheet to look at."""

import csv
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from models.geometry import RGB, Map, regions
from training.data.files import DataError, pictures_of, write_whole
from training.data.folders import evenly_spaced, frames_to_score
from training.data.frames import REAL_SMOKE, SYNTHETIC, load_image, load_mask, write_png
from training.data.layouts.manifest import COLUMNS, MANIFEST
from training.synthesis.scene import SMOKE, Scene, smoke_free_scene, smoke_scene

_SMOKE_FREE_EACH = 4
"""Every fourth scene has fog, low cloud or dust instead of smoke."""
_FOLDERS = ("img", "gt", "transmission")
_TILE_PX = (320, 240)
_COLUMNS, _SHOWN = 4, 8


def write_scenes(backgrounds: Path, count: int, seed: int, out: Path, beside: Path | None = None) -> Path:
    """Render scenes over the pictures of a folder, each a function of seed and number alone.

    Args:
        backgrounds: Folder of pictures without smoke.
        count: How many scenes.
        seed: Of all that is drawn.
        out: Gets `img`, `gt`, `transmission` (16-bit PNG, 65535 is clear air), `manifest.csv` and `contact_sheet.png`.
        beside: A data folder whose real smoke is shown below the rendered one.

    Returns:
        The contact sheet.

    Raises:
        DataError: There is no picture to draw over, or `out` has a manifest already.
    """
    pictures = pictures_of(backgrounds)
    if not pictures:
        raise DataError(f"{backgrounds}: found no picture; expected a folder of pictures without smoke")
    if (out / MANIFEST).exists():
        raise DataError(f"{out / MANIFEST}: is there already; choose another folder")
    real = _real_tiles(beside) if beside else []
    for folder in _FOLDERS:
        (out / folder).mkdir(parents=True, exist_ok=True)
    tiles: list[RGB] = []
    stream = io.StringIO(newline="")
    table = csv.writer(stream)
    table.writerow((*COLUMNS, "what", "transmission", "light", "background"))
    for number, scene, background in _scenes(pictures, count, seed):
        table.writerow(_row(_write(scene, out, f"{number:06d}.png"), scene, background))
        if number < 2 * _SHOWN:
            tiles.append(_tile(scene.image, scene.mask))
    write_whole(stream.getvalue(), out / MANIFEST)
    sheet = out / "contact_sheet.png"
    write_png(_grid([*tiles, *real]), sheet)
    return sheet


def _scenes(pictures: Sequence[Path], count: int, seed: int) -> Iterator[tuple[int, Scene, Path]]:
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        background = pictures[int(rng.integers(len(pictures)))]
        render = smoke_free_scene if number % _SMOKE_FREE_EACH == _SMOKE_FREE_EACH - 1 else smoke_scene
        yield number, render(load_image(background), rng), background


def _write(scene: Scene, out: Path, name: str) -> str:
    write_png(scene.image, out / "img" / name)
    write_png(np.round(scene.transmission * 65535.0).astype(np.uint16), out / "transmission" / name)
    if scene.what == SMOKE:
        write_png((255 * scene.mask).astype(np.uint8), out / "gt" / name)
    return name


def _row(name: str, scene: Scene, background: Path) -> tuple[str, ...]:
    """Synthetic frames are train's, whatever is asked."""
    smoke = scene.what == SMOKE
    mask, kind = (f"gt/{name}", SYNTHETIC) if smoke else ("", "hard_negative")
    light = " ".join(str(int(value)) for value in scene.light)
    drawn_over = os.fsencode(background.name).decode("utf-8", "replace")
    group = f"synthetic-{Path(drawn_over).stem}"
    return f"img/{name}", mask, kind, group, "train", scene.what, f"transmission/{name}", light, drawn_over


def _real_tiles(folder: Path) -> list[RGB]:
    smoke = [frame for frame in frames_to_score(folder, "train", None) if frame.kind == REAL_SMOKE]
    images = [(load_image(frame.image), frame) for frame in evenly_spaced(smoke, _SHOWN)]
    return [_tile(image, load_mask(frame, image.shape)) for image, frame in images]


def _tile(image: RGB, mask: Map) -> RGB:
    """The frame, and below it what is around the largest piece of its smoke; without smoke, its middle."""
    height, width = mask.shape
    found, _ = regions(mask >= 0.5, 0.0)
    if found:
        x, y = found[0].left + found[0].width // 2, found[0].top + found[0].height // 2
        reach = max(found[0].width, found[0].height, 30)
    else:
        x, y, reach = width // 2, height // 2, height // 3
    detail = image[max(0, y - reach) : y + reach, max(0, x - reach) : x + reach]
    return np.vstack([cv2.resize(each, _TILE_PX, interpolation=cv2.INTER_AREA) for each in (image, detail)])


def _grid(tiles: Sequence[RGB]) -> RGB:
    """Row by row, the last filled up with black."""
    empty = [np.zeros((2 * _TILE_PX[1], _TILE_PX[0], 3), np.uint8)] * (-len(tiles) % _COLUMNS)
    filled = [*tiles, *empty]
    return np.vstack([np.hstack(filled[start : start + _COLUMNS]) for start in range(0, len(filled), _COLUMNS)])
