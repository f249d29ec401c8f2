"""Templates and their filters: numbers as people read them, and no value that was forgotten."""

import math
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from training.evaluation.templates import bracketed, counted, number, percent, render, words


def written(folder: Path, text: str) -> Path:
    path = folder / "words.md.jinja"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_template_is_filled_in_and_escapes_nothing(tmp_path):
    text = "{% if rate %}\n| {{ name }} | {{ rate | number(3) }} {{ (0.1, 0.2) | interval(1) }} |\n{% endif %}\n"
    assert render(written(tmp_path, text), {"name": "a < b", "rate": 0.12345}) == "| a < b | 0.123 [0.1, 0.2] |\n"


def test_a_value_that_was_forgotten_is_an_error(tmp_path):
    with pytest.raises(UndefinedError, match="'share' is undefined"):
        render(written(tmp_path, "{{ share }}"), {"rate": 1.0})


@pytest.mark.parametrize("nothing", [None, math.nan])
def test_what_was_not_measured_is_a_dash_and_its_interval_nothing(nothing):
    assert (number(nothing), percent(nothing), counted(nothing, 3), bracketed((nothing, nothing))) == (
        "-",
        "-",
        "-",
        "",
    )


def test_numbers_shares_and_names_are_as_people_read_them():
    assert (number(1 / 3), number(1 / 3, 4), percent(0.125), percent(0.125, 0)) == ("0.33", "0.3333", "12.5%", "12%")
    assert (counted(0.25, 8), words("one_minus_probability")) == ("2 of 8", "1 - probability")
