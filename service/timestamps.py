"""RFC 3339 both ways: instants that callers name, and those that are told."""

import re
from datetime import UTC, datetime
from typing import Final

_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def check_instant(text: str) -> str:
    """Time with an offset, as RFC 3339 has it; a `+` that is not written %2B arrives as a space."""
    try:
        if not _RFC3339.fullmatch(text):
            raise ValueError(text)
        datetime.fromisoformat(text.upper())
    except ValueError:
        expected = "RFC 3339, as in 2026-05-01T12:00:00Z or 2026-05-01T14:00:00%2B02:00"
        raise ValueError(f"found {text!r}, expected {expected}") from None
    return text


def instant(seconds: float | None) -> str | None:
    """Seconds since 1970 as RFC 3339; None for None and for 0, which stands for an instant that never was."""
    return rfc3339(seconds) if seconds else None


def rfc3339(seconds: float) -> str:
    """Seconds since 1970 as RFC 3339, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
