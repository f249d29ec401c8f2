"""A table of what was found, one line a picture, for spreadsheets; written as the pictures are answered."""

import csv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TextIO

from service.api.schemas.segment import FileReport
from service.errors import SettingsInvalid

COLUMNS: Final = (
    "source",
    "report",
    "error",
    "assessment",
    "detected",
    "area_fraction",
    "max_probability",
    "region_count",
    "total",
    "aleatoric",
    "epistemic",
    "novelty",
)


class SummaryTable:
    """The table; without a stream it is written nowhere."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._rows = csv.DictWriter(stream, COLUMNS, restval="") if stream else None
        if self._rows:
            self._rows.writeheader()

    def answered(self, report: FileReport, file: str) -> None:
        """A picture, and the name of its report."""
        smoke, uncertainty = report.smoke.model_dump(), report.uncertainty.frame.model_dump()
        found = {"assessment": report.assessment, **smoke, **uncertainty}
        if report.novelty:
            found["novelty"] = report.novelty.score
        self._write({"source": report.source, "report": file, **found})

    def failed(self, source: str, error: str) -> None:
        """A picture that got no answer, and why."""
        self._write({"source": source, "error": error})

    def _write(self, row: Mapping[str, object]) -> None:
        if not (self._rows and self._stream):
            return
        try:
            self._rows.writerow(row)
            self._stream.flush()
        except OSError as error:
            with suppress(OSError):  # It would write what is left, and fail again.
                self._stream.close()
            raise OSError(error.errno, error.strerror, self._stream.name) from error


@contextmanager
def open_summary(path: Path | None) -> Iterator[SummaryTable]:
    """Start a table before any work is done. Raises SettingsInvalid where the file cannot be written."""
    if path is None:
        yield SummaryTable()
        return
    try:
        stream = path.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise SettingsInvalid(f"--csv: {error}; expected a file that can be written") from error
    with stream:
        yield SummaryTable(stream)
