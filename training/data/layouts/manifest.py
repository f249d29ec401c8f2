"""`manifest.csv`: a row a frame, its columns file, mask, kind, group, split, for frames with boxes only boxes, and if need be weight.

Beside it may lie `smoke5k_synthetic/{img,gt}`, which has no camera and belongs to `train`. What cannot be read as it was meant is
refused in words.
"""

import codecs
import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from models.geometry import Box
from training.data.files import DataError, expect_file, pictures_of
from training.data.frames import BOXED, REAL_SMOKE, SCRIBBLED, SMOKE_FREE, SYNTHETIC, Frame

Split = Literal["train", "val", "all"]
Listed = tuple[str, Frame]
"""Split, train or val, and frame."""

MANIFEST = "manifest.csv"
SYNTHETIC_FOLDER = "smoke5k_synthetic"

COLUMNS = ("file", "mask", "kind", "group", "split")
SPLITS = ("train", "val")
MOST_WEIGHT = 1000.0
_KINDS = (REAL_SMOKE, SYNTHETIC, *SMOKE_FREE, BOXED, SCRIBBLED)
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_manifest(root: Path) -> list[Listed]:
    """Its rows in its order, and the synthetic part after them. Raises DataError."""
    manifest = root / MANIFEST
    expect_file(manifest)
    try:
        rows = [(row["split"], _frame(root, row, manifest, line)) for line, row in read_rows(manifest)]
    except ValueError as error:
        raise DataError(str(error)) from error
    return [*rows, *(("train", frame) for frame in _synthetic(root))]


def read_rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Line and cells of each row that is not empty.

    Raises:
        ValueError: The file is no CSV in UTF-8, lacks a column, or a row is incomplete or of no known split.
        OSError: It cannot be read.
    """
    rows = csv.DictReader(io.StringIO(_text(path), newline=""), strict=True)
    found: list[tuple[int, dict[str, str]]] = []
    begun = 1
    try:
        missing = [column for column in COLUMNS if column not in (rows.fieldnames or ())]
        if missing:
            raise ValueError(
                f"{path}: no column {', '.join(missing)}; found {rows.fieldnames}, expected names with commas between"
            )
        begun = rows.line_num + 1
        for line, row in _complete(rows, path):
            found.append((line, row))
            begun = line + 1
    except csv.Error as error:
        # Where its row begins: a quote that nobody closes is noticed at the end of the file.
        raise ValueError(f"{path}, line {begun}: no CSV: {error}") from error
    return found


def _complete(rows: "csv.DictReader[str]", path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows as they are. Raises ValueError at the first of which a cell would be lost, and its frame with it."""
    for row in rows:
        if not any(row.values()):
            continue
        wrong = _fault(row)
        if wrong:
            raise ValueError(f"{path}, line {rows.line_num}: {wrong}")
        yield rows.line_num, row


def _fault(row: dict[str, str]) -> str | None:
    missing = [column for column in COLUMNS if row[column] is None]
    if missing:
        return f"row of {row['file']} is incomplete: {', '.join(missing)}"
    if None in row:
        return f"row of {row['file']} has {len(row[None])} cells more than there are columns"  # type: ignore[index]
    empty = [column for column in ("file", "group") if not row[column].strip()]
    if empty:
        return f"row of {row['file']!r} has no {', '.join(empty)}"
    if row["split"] not in SPLITS:
        return f"split {row['split']!r} of {row['file']}, expected {' or '.join(SPLITS)}"
    return None


def _text(path: Path) -> str:
    raw = path.read_bytes()
    if raw.startswith(_UTF16) or b"\0" in raw:
        raise ValueError(f"{path}: not UTF-8, but UTF-16 or no text at all; save it as CSV in UTF-8")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{path}, line {line}: not UTF-8 (byte 0x{raw[error.start]:02x}, as in Latin-1); save it as CSV in UTF-8"
        ) from error


def _frame(root: Path, row: dict[str, str], manifest: Path, line: int) -> Frame:
    where = f"{manifest}, line {line}"
    if row["kind"] not in _KINDS:
        raise DataError(f"{where}: kind {row['kind']!r} of {row['file']}, expected one of {', '.join(_KINDS)}")
    boxes = _boxes(row, where) if row["kind"] == BOXED else ()
    if bool(row["mask"]) == (row["kind"] in (*SMOKE_FREE, BOXED)):
        raise DataError(f"{where}: {row['file']} is {row['kind']} and its mask is {row['mask']!r}")
    mask = root / row["mask"] if row["mask"] else None
    return Frame(root / row["file"], mask, row["kind"], row["group"], boxes, manifest, line, _weight(row, where))


def _weight(row: dict[str, str], where: str) -> float:
    """The column `weight`; 1 where there is none. Raises DataError."""
    text = row.get("weight") or "1"
    try:
        weight = float(text)
    except ValueError:
        weight = 0.0
    if not 0.0 < weight <= MOST_WEIGHT:
        raise DataError(
            f"{where}: weight {text!r} of {row['file']}, expected a number above 0, at most {MOST_WEIGHT:g}"
        )
    return weight


def _boxes(row: dict[str, str], where: str) -> tuple[Box, ...]:
    """The column `boxes`: x0 y0 x1 y1 in pixels, several separated by semicolons. Raises DataError."""
    boxes = []
    for text in (row.get("boxes") or "").split(";"):
        try:
            left, top, right, bottom = (int(value) for value in text.split())
        except ValueError:
            raise DataError(f"{where}: box {text!r} of {row['file']}, expected x0 y0 x1 y1 in pixels") from None
        if not (0 <= left < right and 0 <= top < bottom):
            raise DataError(
                f"{where}: box {text!r} of {row['file']} is empty or outside, expected 0 <= x0 < x1 and 0 <= y0 < y1"
            )
        boxes.append(Box(left, top, right - left, bottom - top))
    return tuple(boxes)


def _synthetic(root: Path) -> list[Frame]:
    folder = root / SYNTHETIC_FOLDER
    images = pictures_of(folder / "img")
    masks = {path.stem: path for path in pictures_of(folder / "gt")}
    lost = [image.name for image in images if image.stem not in masks]
    if lost:
        raise DataError(f"{folder}: {len(lost)} images without a mask, the first is {lost[0]}")
    return [Frame(image, masks[image.stem], SYNTHETIC, SYNTHETIC, manifest=folder) for image in images]
