"""Fills in the Markdown templates of report and model card; what tells numbers and names as people read them are its filters."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined


def render(template: Path, values: Mapping[str, Any]) -> str:
    """The text of a template; one that asks for what is not among the values is an error."""
    environment = Environment(  # noqa: S701 - it writes Markdown, in which nothing is to be escaped
        loader=FileSystemLoader(template.parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "claim": claim,
        "count": counted,
        "interval": bracketed,
        "number": number,
        "percent": percent,
        "words": words,
    }
    return environment.get_template(template.name).render(values)


def number(value: float | None, digits: int = 2) -> str:
    """A number, or a dash where there was nothing to measure."""
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def percent(value: float | None, digits: int = 1) -> str:
    """A share in percent."""
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}%}"


def counted(share: float | None, of: int) -> str:
    """A share of so many as a count."""
    return "-" if share is None or math.isnan(share) else f"{round(share * of)} of {of}"


def bracketed(interval: Sequence[float | None], digits: int = 3) -> str:
    """An interval in brackets; nothing where it was not measured."""
    low, high = interval
    return "" if number(low) == "-" else f"[{number(low, digits)}, {number(high, digits)}]"


def words(name: str) -> str:
    """A name of the report as people read it."""
    return name.replace("one_minus_", "1 - ").replace("_", " ")


def claim(found: Mapping[str, Any]) -> str:
    """Whether epistemic beats 1 - mean probability, in words: only an interval on one side of 0 is an answer."""
    difference, (low, high) = found["epistemic_minus_confidence"], found["epistemic_minus_confidence_interval"]
    if number(difference) == "-":
        return "not measurable"
    answer = "yes" if low > 0 else "no" if high < 0 else "not shown"
    return f"{answer}: AUROC {difference:+.2f} {bracketed((low, high), 2)}"
