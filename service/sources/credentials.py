"""Names and passwords of cameras: they come from the environment or from files, never from the text that names the camera."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

_VARIABLE: Final = re.compile(r"\$\{(\w+)\}")


def expanded(text: str, environment: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """A text with `${NAME}` replaced, and what was put in.

    Raises:
        ValueError: There is no such variable, or it is empty.
    """
    values = {name: environment.get(name, "") for name in _VARIABLE.findall(text)}
    if missing := [name for name, value in values.items() if not value]:
        raise ValueError(f"found no variable {missing[0]} in the environment, expected it to be set")
    return _VARIABLE.sub(lambda found: values[found[1]], text), tuple(values.values())


def is_variable(text: str) -> bool:
    """Whether a text is `${NAME}` and nothing else."""
    return _VARIABLE.fullmatch(text) is not None


def spellings(secret: str) -> tuple[str, ...]:
    """A secret as it may appear in texts: itself, and as it stands in a URL."""
    return tuple(dict.fromkeys((secret, quote(secret, safe=""), quote(secret))))
