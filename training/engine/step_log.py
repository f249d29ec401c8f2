"""The loss terms of every step as a CSV file, which a resumed run goes on with."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from training.data.files import write_whole

STEPS = "steps.csv"
_KEY = ("phase", "step")


class StepLog:
    """A row a step: phase, step, and a column for each number that any step had; empty where a step has none of it.

    Args:
        path: Of the file. What stands there of steps that are to come again, after the last checkpoint, is dropped.
        phase: That begins or goes on.
        first: Its steps that are done.

    Raises:
        OSError: The file cannot be read or written.
    """

    def __init__(self, path: Path, phase: str, first: int) -> None:
        self._path, self._phase = path, phase
        columns, rows = _read(path)
        again = (place for place, row in enumerate(rows) if row["phase"] == phase and int(row["step"]) > first)
        self._write(columns, rows[: next(again, len(rows))])

    def add(self, step: int, numbers: Mapping[str, float]) -> None:
        """Append a step, counted from 1; the first with a new number adds its column to all of the file."""
        if new := [name for name in numbers if name not in self._columns]:
            self._write([*self._columns, *new], _read(self._path)[1])
        row = {"phase": self._phase, "step": step, **{name: f"{value:.7g}" for name, value in numbers.items()}}
        try:
            with self._path.open("a", encoding="utf-8", newline="") as stream:
                csv.DictWriter(stream, self._columns, restval="").writerow(row)
        except OSError as error:  # of a full disk it does not say which file
            raise OSError(error.errno, error.strerror, str(self._path)) from error

    def _write(self, columns: list[str], rows: list[dict[str, str]]) -> None:
        self._columns = columns
        text = io.StringIO(newline="")
        table = csv.DictWriter(text, columns, restval="")
        table.writeheader()
        table.writerows(rows)
        write_whole(text.getvalue(), self._path)


def _read(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Columns and rows; a last line that was cut off is left out."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    table = csv.DictReader(text[: text.rfind("\n") + 1].splitlines())
    columns = list(table.fieldnames or _KEY)
    if tuple(columns[:2]) != _KEY:
        raise OSError(f"{path}: found columns {', '.join(columns)}, expected {', '.join(_KEY)} and loss terms")
    return columns, list(table)
