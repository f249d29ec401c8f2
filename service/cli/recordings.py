"""Pictures on disk: those that a command line names, and recordings, pictures of one camera in order with what people saw on them.

`frames.csv` beside the pictures, where there is one: `frame` (file), `smoke_labelled` (0 or 1), and boxes `xmin ymin xmax ymax`,
four pixels a box, in a last column. Times are not read: frames are an interval apart.
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from service.errors import SettingsInvalid

_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp"})
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
    frames = tuple(sorted(path for path in folder.glob("*") if path.suffix.lower() in _SUFFIXES))
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


def _label(smoke: str, boxes: str) -> Label:
    numbers = [float(number) for number in boxes.split()]
    if len(numbers) % 4:
        raise ValueError(f"found {len(numbers)} numbers, expected four a box")
    corners = [numbers[first : first + 4] for first in range(0, len(numbers), 4)]
    return Label(smoke.strip() == "1", tuple((left, top, right, bottom) for left, top, right, bottom in corners))


def collect(inputs: Iterable[Path], out: Path) -> list[Path]:
    """Pictures named or found in named folders (and below), in order, each once; what lies in `out` is left alone."""
    found: dict[Path, None] = {}
    for path in inputs:
        pictures = sorted(_pictures(path, out)) if path.is_dir() else [path]
        found |= dict.fromkeys(pictures)
    return list(found)


def _pictures(folder: Path, out: Path) -> Iterator[Path]:
    inside = out.resolve()
    for path in folder.rglob("*"):
        if path.suffix.lower() in _SUFFIXES and path.is_file() and not path.resolve().is_relative_to(inside):
            yield path
