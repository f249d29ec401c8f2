"""Names and passwords of cameras: they come from files or the environment, never from the text that names the camera."""

import re
from collections.abc import Mapping
from pathlib import Path
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


def read_secret(file: Path) -> str:
    """What a file holds, without the line's end. Raises ValueError."""
    try:
        secret = file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no text in UTF-8"
        raise ValueError(f"found {file}: {reason}, expected a file with the secret") from None
    if not secret:
        raise ValueError(f"found {file} empty, expected a file with the secret")
    return secret


def spellings(secret: str) -> tuple[str, ...]:
    """A secret as it may appear in texts: itself, and as it stands in a URL."""
    return tuple(dict.fromkeys((secret, quote(secret, safe=""), quote(secret))))
