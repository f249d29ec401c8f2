"""Recordings: pictures of one camera in order, with what people saw on them.

`frames.csv` beside the pictures, where there is one: `frame` (file), `smoke_labelled` (0 or 1, empty where nobody looked), and boxes
`xmin ymin xmax ymax`, four pixels a box, in a last column. Times are not read: frames are an interval apart.
"""

import codecs
import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from service.cli.pictures import may_be_file, readable
from service.errors import SettingsInvalid
from service.sources.picture_files import is_picture, natural

LABELS_FILE: Final = "frames.csv"
_UTF16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
PixelBox = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Label:
    """What people saw on a frame: smoke or not, and where, in pixels: left, top, right, bottom. Smoke may have no box."""

    smoke: bool
    boxes: tuple[PixelBox, ...]


@dataclass(frozen=True, slots=True)
class Recording:
    """One camera's frames in order; labels by file name, or None where nobody looked; and names in the labels that are of no frame."""

    name: str
    frames: tuple[Path, ...]
    labels: dict[str, Label] | None
    strangers: tuple[str, ...] = ()


def read_recording(folder: Path) -> Recording:
    """The pictures of a folder, by name (2 before 10), and its labels.

    Raises:
        SettingsInvalid: There is no picture, or the labels cannot be read or are of none of the pictures.
    """
    if not folder.is_dir():
        raise SettingsInvalid(
            f"{readable(folder)}: found {'a file' if folder.exists() else 'nothing'}, expected a folder of frames"
        )
    files = (path for path in folder.glob("*") if is_picture(Path(path.name)) and may_be_file(path))
    frames = tuple(sorted(files, key=natural))
    if not frames:
        raise SettingsInvalid(f"{readable(folder)}: found no JPEG, PNG or WebP file")
    file = folder / LABELS_FILE
    labels = read_labels(file) if file.is_file() else None
    return Recording(readable(folder.resolve().name), frames, labels, _strangers(file, labels or {}, frames))


def _strangers(file: Path, labels: dict[str, Label], frames: Sequence[Path]) -> tuple[str, ...]:
    names = {frame.name for frame in frames}
    strangers = tuple(name for name in labels if name not in names)
    if labels and len(strangers) == len(labels):
        raise SettingsInvalid(
            f"{file}: labels no file of its folder; found {strangers[0]!r}, expected names such as {readable(frames[0].name)!r}"
        )
    return strangers


def read_labels(file: Path) -> dict[str, Label]:
    """Labels by file name. Raises SettingsInvalid, with the line."""
    rows = csv.reader(io.StringIO(_text(file), newline=""), strict=True)
    try:
        header = next(rows, [])
        if "frame" not in header or "smoke_labelled" not in header:
            raise ValueError(f"found columns {', '.join(header) or 'none'}")
        return _labels(header, rows)
    except (csv.Error, ValueError) as error:
        where = f"{file}, line {max(1, rows.line_num)}"
        raise SettingsInvalid(f"{where}: {error}; expected columns frame, smoke_labelled and boxes") from error


def _labels(header: Sequence[str], rows: Iterable[Sequence[str]]) -> dict[str, Label]:
    """Raises ValueError at the first row that cannot be read. A frame at which nobody looked has no label."""
    labels: dict[str, Label | None] = {}
    for row in rows:
        if not any(row):
            continue
        if len(row) > len(header):
            raise ValueError(f"found {len(row)} cells under {len(header)} columns")
        cells = dict(zip(header, row, strict=False))
        name, smoke = cells.get("frame", ""), cells.get("smoke_labelled")
        if smoke is None or name in labels:
            raise ValueError(f"found frame {name!r} {'twice' if name in labels else 'without smoke_labelled'}")
        labels[name] = _label(smoke.strip(), row[-1] if len(row) == len(header) else "")
    return {name: label for name, label in labels.items() if label}


def _label(smoke: str, boxes: str) -> Label | None:
    if smoke not in ("0", "1", ""):
        raise ValueError(f"found smoke_labelled {smoke!r}, expected 0, 1 or nothing")
    numbers = [float(number) for number in boxes.split()]
    if len(numbers) % 4 or not all(map(math.isfinite, numbers)):
        raise ValueError(f"found the box numbers {boxes!r}, expected four a box")
    corners = [numbers[first : first + 4] for first in range(0, len(numbers), 4)]
    if any(left >= right or top >= bottom for left, top, right, bottom in corners):
        raise ValueError(f"found the box {boxes!r}, expected left < right and top < bottom")
    if not smoke:
        return None
    return Label(smoke == "1", tuple((left, top, right, bottom) for left, top, right, bottom in corners))


def _text(file: Path) -> str:
    raw = file.read_bytes()
    try:
        if raw.startswith(_UTF16) or b"\0" in raw:
            raise ValueError("UTF-16, or no text")
        return raw.decode("utf-8-sig")
    except ValueError as error:
        raise SettingsInvalid(f"{file}: not UTF-8: {error}; save it as CSV in UTF-8") from error
