"""The Markdown form of an evaluation report: the headline numbers on one page, then the details."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.evaluation.feedback import feedback_table
from training.evaluation.templates import number, render
from training.metrics.regions import SCORES
from training.metrics.reliability import BOTH, TEMPERATURE, reported_form

_TEMPLATES = Path(__file__).parent
_RANKED = (*SCORES, "combination")


class ReportError(ValueError):
    """A file is no report of `evaluate`; the message names it and says what it lacks."""


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
    form = reported_form(report)
    return {
        "report": report,
        "form": form,
        "form_is_fitted": form in (TEMPERATURE, BOTH),
        "ranked": _RANKED,
        "best": max(measured, key=lambda name: float(lower[name]), default=None),
        "feedback": feedback_table(report["feedback"]) if report.get("feedback") else "",
    }
