"""The Markdown form of an evaluation report: the headline numbers on one page, then the details."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import TemplateError

from training.evaluation.feedback import feedback_table
from training.evaluation.predictor import sha256_of
from training.evaluation.templates import number, render
from training.metrics.regions import SCORES
from training.metrics.reliability import ALL, TEMPERATURE

_TEMPLATES = Path(__file__).parent
_RANKED = (*SCORES, "combination")


class ReportError(ValueError):
    """A file is no report of `evaluate`; the message names it and says what it lacks."""


def read_report(path: Path, wanted: str) -> dict[str, Any]:
    """A report.json. Raises ReportError where it is none, or does not name what is wanted."""
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ReportError(f"{path}: no report.json of `evaluate`: {error}") from error
    if not isinstance(report, dict) or wanted not in report:
        raise ReportError(f"{path}: no report.json of `evaluate`: it names no {wanted}")
    return report


def read_report_of(path: Path, checkpoint: Path) -> dict[str, Any]:
    """The report.json of a checkpoint, for its release. Raises ReportError where it is of another, of tiles, or lacks a number."""
    report = read_report(path, "threshold")
    if report.get("tiles"):
        raise ReportError(f"{path}: measured with tiles, expected a report of the whole frame alone")
    found, own = report.get("model_sha256"), sha256_of(checkpoint)
    if own and found != own:
        weights = (
            f"weights {found[:12]}"
            if isinstance(found, str) and found
            else "weights that an earlier version did not name"
        )
        raise ReportError(f"{path}: of {weights}, expected those of {checkpoint}, {own[:12]}; `evaluate` that")
    try:
        markdown(report)
    except (TemplateError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ReportError(f"{path}: no report.json of `evaluate`: {error}") from error
    return report


def markdown(report: Mapping[str, Any]) -> str:
    """Tables of a report as `evaluate` makes it."""
    return render(_TEMPLATES / "report.md.jinja", _values(report))


def headline(report: Mapping[str, Any]) -> str:
    """What was scored, and one line a number that the project is held to."""
    return render(_TEMPLATES / "headline.md.jinja", _values(report))


def _values(report: Mapping[str, Any]) -> dict[str, Any]:
    """The report, and what of it the templates choose by."""
    lower = report["doubt_at_lower_threshold"]
    measured = [name for name in _RANKED if number(lower[name]) != "-"]
    form = report["calibrated_by"]
    return {
        "report": report,
        "form": form,
        "form_is_fitted": form in (TEMPERATURE, ALL),
        "ranked": _RANKED,
        "best": max(measured, key=lambda name: float(lower[name]), default=None),
        "feedback": feedback_table(report["feedback"]) if report.get("feedback") else "",
    }
