"""The table of a study: its rows with their scores and intervals in Markdown, and read again from the file that they were left in."""

import json
import statistics
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SHOWN_SCORES = {
    "mean F-beta, raw": 3,
    "mMSE, raw": 5,
    "F-beta": 3,
    "maximal F-beta": 3,
    "mMSE": 5,
    "false alarms": 3,
    "ECE as trained": 4,
    "ECE after temperature": 4,
}
"""What is shown of a row, each with its decimals."""


class StudyError(ValueError):
    """A table cannot be made as it is asked for, or a file has no rows of the command; the message says why."""


def scores_table(measured: Sequence[dict[str, Any]]) -> str:
    """The rows in Markdown, each score with its 95 % interval; ECE as trained too, since L_c is to calibrate that.

    Below them, of what there are several rows of, such as seeds, mean and spread.
    """
    scores = list(SHOWN_SCORES)
    lines = [
        f"| | views | {' | '.join(scores)} |",
        f"| --- | --- |{' --- |' * len(scores)}",
    ]
    lines += [
        f"| {row['what']} | {row['views']:,} | {' | '.join(score_cell(row[name], SHOWN_SCORES[name]) for name in scores)} |"
        for row in measured
    ]
    several = [what for what, count in Counter(row["what"] for row in measured).items() if count > 1]
    lines += [mean_line(f"{what}: ", [row for row in measured if row["what"] == what]) for what in several]
    return "\n".join(lines) + "\n"


def mean_line(of: str, measured: Sequence[dict[str, Any]]) -> str:
    """Mean and standard deviation (n - 1) of each score over two rows or more, as a row in Markdown."""
    cells = []
    for name, decimals in SHOWN_SCORES.items():
        values = [float(row[name][0]) for row in measured]
        cells.append(f"{statistics.mean(values):.{decimals}f} ± {statistics.stdev(values):.{decimals}f}")
    return f"| {of}mean ± standard deviation | | {' | '.join(cells)} |"


def read_measured(path: Path, command: str, fewest: int = 1) -> list[dict[str, Any]]:
    """The rows that a command left in a file. Raises StudyError where it holds none, or fewer than are needed."""
    try:
        measured: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
        scores_table(measured)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise StudyError(f"{path}: no {path.name} of `{command}`: {error!r}") from error
    if not measured:
        raise StudyError(f"{path}: no {path.name} of `{command}`: it has no rows")
    if any(row.get("command") != command for row in measured):
        raise StudyError(
            f"{path}: found rows of another command, or of an earlier version; expected those of `{command}`, which writes them anew "
            "without training again"
        )
    if len(measured) < fewest:
        raise StudyError(f"{path}: found {len(measured)} rows, expected at least {fewest}")
    return measured


def score_cell(score: tuple[float, Sequence[float]], decimals: int) -> str:
    """A score with its interval."""
    value, (low, high) = score
    return f"{value:.{decimals}f} [{low:.{decimals}f}, {high:.{decimals}f}]"
