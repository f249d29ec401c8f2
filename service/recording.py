"""Recorded sequences: pictures of one camera in order, and where people saw smoke; or single pictures shown again and again.

`frames.csv` beside the pictures, where there is one: `frame` (file), `smoke_labelled` (0 or 1), and boxes `xmin ymin xmax ymax`,
four pixels a box, in a last column. Times are not read: frames are an interval apart.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from models.geometry import RGB
from service.errors import SettingsInvalid

SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp"})
LABELS_FILE: Final = "frames.csv"
PixelBox = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Label:
    """What people saw on a frame: smoke or not, and where, in pixels: left, top, right, bottom."""

    smoke: bool
    boxes: tuple[PixelBox, ...]


@dataclass(frozen=True, slots=True)
class Recording:
    """One camera's frames in order; labels by file name, or None where nobody looked."""

    name: str
    frames: tuple[Path, ...]
    labels: dict[str, Label] | None


def read_recording(folder: Path) -> Recording:
    """The pictures of a folder, by name, and its labels.

    Raises:
        SettingsInvalid: There is no picture, or the labels cannot be read.
    """
    frames = tuple(sorted(path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES))
    if not frames:
        raise SettingsInvalid(f"{folder}: found no JPEG, PNG or WebP file")
    file = folder / LABELS_FILE
    return Recording(folder.name, frames, read_labels(file) if file.is_file() else None)


def read_labels(file: Path) -> dict[str, Label]:
    """Labels by file name. Raises SettingsInvalid."""
    with file.open(encoding="utf-8", newline="") as stream:
        header, *rows = list(csv.reader(stream)) or [[]]
    try:
        name, smoke = header.index("frame"), header.index("smoke_labelled")
        return {row[name]: _label(row[smoke], row[-1] if len(row) == len(header) else "") for row in rows if row}
    except (ValueError, IndexError) as error:
        raise SettingsInvalid(f"{file}: {error}; expected columns frame, smoke_labelled and boxes") from error


def jittered(picture: RGB, times: int, shift_px: int, seed: int) -> Iterator[bytes]:
    """A picture as a shaking camera would send it: moved by up to `shift_px` pixels, up to 3 % brighter or darker, as JPEG files."""
    random = np.random.default_rng(seed)
    height, width = picture.shape[:2]
    for _ in range(times):
        right, down = random.integers(-shift_px, shift_px + 1, 2)
        move = np.array([[1, 0, right], [0, 1, down]], np.float64)
        moved = cv2.warpAffine(picture, move, (width, height), borderMode=cv2.BORDER_REPLICATE)
        shown = np.clip(moved * random.uniform(0.97, 1.03), 0, 255).astype(np.uint8)
        _, data = cv2.imencode(".jpg", shown[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(85, 96))])
        yield data.tobytes()


def _label(smoke: str, boxes: str) -> Label:
    numbers = [float(number) for number in boxes.split()]
    if len(numbers) % 4:
        raise ValueError(f"found {len(numbers)} numbers, expected four a box")
    corners = [numbers[first : first + 4] for first in range(0, len(numbers), 4)]
    return Label(smoke.strip() == "1", tuple((left, top, right, bottom) for left, top, right, bottom in corners))
