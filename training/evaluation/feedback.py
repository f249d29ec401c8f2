"""What people said of a service's alarms: the JSONL file that it appends to, as a table by camera and assessment."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.data.frames import DataError

VERDICTS = ("true_alarm", "false_alarm")


def read_feedback(path: Path) -> dict[str, dict[str, dict[str, int]]]:
    """Count the verdicts.

    Returns:
        `by_camera` and `by_assessment`: per name the number of each of VERDICTS.

    Raises:
        DataError: The file cannot be read, or a line is no feedback.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: no file of feedback: {error}") from error
    entries = [_entry(line, f"{path}, line {number}") for number, line in enumerate(lines, start=1) if line.strip()]
    return {
        "by_camera": _counts([(entry["camera_id"], entry["verdict"]) for entry in entries]),
        "by_assessment": _counts([(str(entry.get("assessment") or "none"), entry["verdict"]) for entry in entries]),
    }


def feedback_table(found: Mapping[str, Mapping[str, Mapping[str, int]]]) -> str:
    """The counts as Markdown, with the share of false alarms."""
    rows = "".join(
        f"| {name} | {counts['true_alarm']} | {counts['false_alarm']} | {counts['false_alarm'] / sum(counts.values()):.0%} |\n"
        for part in ("by_camera", "by_assessment")
        for name, counts in found[part].items()
    )
    return (
        "## What people said of alarms\n\nBy camera, then by the assessment at the time.\n\n"
        f"| | true alarms | false alarms | share false |\n| --- | --- | --- | --- |\n{rows.rstrip()}"
    )


def _entry(line: str, where: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: no JSON: {error}") from error
    if not isinstance(entry, dict) or not isinstance(entry.get("camera_id"), str):
        raise DataError(f"{where}: found {line[:120]!r}, expected an object with a camera_id")
    if entry.get("verdict") not in VERDICTS:
        raise DataError(f"{where}: verdict {entry.get('verdict')!r}, expected one of {', '.join(VERDICTS)}")
    return entry


def _counts(pairs: list[tuple[str, str]]) -> dict[str, dict[str, int]]:
    counted = Counter(pairs)
    return {name: {verdict: counted[name, verdict] for verdict in VERDICTS} for name in sorted({n for n, _ in pairs})}
