"""Logging on standard error: one JSON object a line, or one sentence a line on a terminal; never image data."""

import logging
import sys
import threading
import time
import warnings
from datetime import datetime
from typing import Any, Final, Literal

from pythonjsonlogger import json

from service.server.log_handler import QueuedHandler

_ADDED: Final = frozenset({"message", "asctime", "color_message", "taskName", "_ray_timestamp_ns"})
"""By formatters, uvicorn, asyncio and Ray."""
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | _ADDED
_FORMAT: Final = "{asctime}{levelname}{name}{message}"
_RENAMED: Final = {"asctime": "time", "levelname": "level", "name": "logger", "exc_info": "exception"}


class JsonFormatter(json.JsonFormatter):
    """Formats a record, with what was passed as `extra`, as one line of JSON."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03d+00:00"

    def __init__(self) -> None:
        super().__init__(_FORMAT, style="{", rename_fields=_RENAMED, reserved_attrs=[*_STANDARD], json_default=str)

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """The level in small letters, as it is set."""
        return {**log_data, "level": log_data["level"].lower()}


class ConsoleFormatter(logging.Formatter):
    """Formats a record for a person: time, message, and each field as `name: value`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and the trace of an exception; control characters of a field are escaped."""
        fields = "".join(f"  {name}: {_printable(value)}" for name, value in _fields(record).items())
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        text = f"{datetime.fromtimestamp(record.created):%H:%M:%S} {level}{record.getMessage()}{fields}"  # noqa: DTZ006 - local
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def in_sentences(form: Literal["auto", "text", "json"]) -> bool:
    """Whether a form is that of sentences; `auto` takes them on a terminal."""
    return sys.stderr.isatty() if form == "auto" else form == "text"


def start_logging(level: str, form: Literal["auto", "text", "json"]) -> None:
    """Send every logger's records, and Python's warnings, to standard error.

    They are written by a thread: a pipe that nobody empties, or a terminal that was stopped, would hold up the service. Where a table
    is drawn on a terminal they go through what draws it.
    """
    drawn = sys.stderr.isatty() and sys.stderr is not sys.__stderr__
    handler = logging.StreamHandler(sys.stderr) if drawn else QueuedHandler(sys.stderr.fileno())
    handler.setFormatter(ConsoleFormatter() if in_sentences(form) else JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    threading.excepthook = _log_death
    # It would say each call's address at `info`, and a webhook's address may hold a token.
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    # Pillow warns about what its caller sent; the reply already says whatever matters of it.
    warnings.filterwarnings("ignore", module=r"PIL(\..*)?")


def _log_death(died: threading.ExceptHookArgs) -> None:
    """A thread died of an exception; the interpreter would say so in lines that no collector of logs understands."""
    found = (died.exc_type, died.exc_value or died.exc_type(), died.exc_traceback)
    name = died.thread.name if died.thread else "unknown"
    logging.getLogger("service.background").error("thread died", exc_info=found, extra={"thread_name": name})


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def _printable(value: object) -> str:
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in str(value))
