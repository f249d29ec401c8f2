"""The rows of a `manifest.csv`, each with its line; what cannot be read as it was meant is refused in words."""

import codecs
import csv
import io
from collections.abc import Iterator
from pathlib import Path

COLUMNS = ("file", "mask", "kind", "group", "split")
SPLITS = ("train", "val")
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Line and cells of each row that is not empty.

    Raises:
        ValueError: The file is no CSV in UTF-8, lacks a column, or a row is incomplete or of no known split.
        OSError: It cannot be read.
    """
    rows = csv.DictReader(io.StringIO(_text(path), newline=""), strict=True)
    try:
        missing = [column for column in COLUMNS if column not in (rows.fieldnames or ())]
        if missing:
            raise ValueError(f"{path}: no column {', '.join(missing)}; found {rows.fieldnames}")
        return list(_complete(rows, path))
    except csv.Error as error:
        raise ValueError(f"{path}, line {rows.reader.line_num}: no CSV: {error}") from error


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
