"""Logging on standard error: one JSON object a line, or one sentence a line on a terminal; never image data."""

import json
import logging
import sys
import warnings
from datetime import UTC, datetime
from typing import Any, Final

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message", "taskName"}


class JsonFormatter(logging.Formatter):
    """Formats a record, with what was passed as `extra`, as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """One line; control characters are escaped by JSON."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class ConsoleFormatter(logging.Formatter):
    """Formats a record for a person: time, message, and each field as `name: value`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and the trace of an exception; control characters of a field are escaped."""
        fields = "".join(f"  {name}: {_printable(value)}" for name, value in _fields(record).items())
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        text = f"{datetime.fromtimestamp(record.created):%H:%M:%S} {level}{record.getMessage()}{fields}"  # noqa: DTZ006 - local
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def start_logging(level: str, *, sentences: bool) -> None:
    """Send every logger's records, and Python's warnings, to standard error, as sentences or as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(ConsoleFormatter() if sentences else JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    # It would say each call's address at `info`, and a webhook's address may hold a token.
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    # Pillow warns about what its caller sent; the reply already says whatever matters of it.
    warnings.filterwarnings("ignore", module=r"PIL(\..*)?")


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def _printable(value: object) -> str:
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in str(value))
