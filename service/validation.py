"""What is refused of a text, a table or a name that somebody wrote, in words for that person."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic import ValidationError

CAMERA_ID: Final = r"^([A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}|\.[A-Za-z0-9_-][A-Za-z0-9_.-]{0,62}|\.\.[A-Za-z0-9_.-]{1,62})$"
"""Up to 64 letters, digits, dots, hyphens and underscores, but neither `.` nor `..`: they mean something else in a path."""


def check_id(at: str, text: str) -> None:
    """Refuse what can be the id of no camera, and the name of no view. Raises ValueError."""
    if not re.fullmatch(CAMERA_ID, text):
        raise ValueError(f"{at}: found {text!r:.80}, expected up to 64 letters, digits, `_`, `-` and `.`")


_OURS: Final = {
    "Value error, ": "",
    "Input should be ": "",
    "Field required": "it to be there",
    "String should have ": "a text of ",
    "String should match pattern ": "a text that matches ",
}
"""What pydantic says, and what is said behind «expected»."""


def parsed(parse: Callable[[str], Any], text: str) -> Any:  # noqa: ANN401 - decoded TOML
    """What a parser makes of a text. Raises ValueError, also where it is nested deeper than the parser can follow."""
    try:
        return parse(text)
    except RecursionError:
        raise ValueError("found brackets nested too deeply, expected a few levels") from None


def found_and_expected(problem: Mapping[str, Any], expected: str | None = None) -> str:
    """What pydantic refused: found, expected; in its own words, or these."""
    words = problem["msg"]
    for theirs, ours in _OURS.items():
        words = words.replace(theirs, ours)
    if words.startswith("found"):
        return str(words)
    found = "nothing" if problem["type"] == "missing" else repr(problem["input"])[:80]
    return f"found {found}, expected {expected or words}"


def in_words(error: ValidationError, expected: Mapping[str, str], at: str = "") -> str:
    """What pydantic refused first: where (below `at`), found, expected (words by key, by "" of the whole; else pydantic's own)."""
    problems = error.errors(include_url=False)
    if unknown := sorted(str(each["loc"][-1]) for each in problems if each["type"] == "extra_forbidden"):
        words = expected.get("", f"some of {', '.join(sorted(expected))}")
        return f"{at}{at and ': '}found {unknown}, expected {words}"
    problem, key = problems[0], str(*problems[0]["loc"][:1])
    where = ".".join(part for part in (at, key) if part)
    words = found_and_expected(problem, expected.get(key))
    return f"{where}: {words}" if where else words


def distance(one: str, other: str) -> int:
    """How many letters must be put in, left out or replaced to make one of the other (Levenshtein)."""
    row = list(range(len(other) + 1))
    for number, letter in enumerate(one, 1):
        diagonal, row[0] = row[0], number
        for column, wanted in enumerate(other, 1):
            diagonal, row[column] = (
                row[column],
                min(row[column] + 1, row[column - 1] + 1, diagonal + (letter != wanted)),
            )
    return row[-1]
