"""The process of a source: what is to be read comes on standard input, frames go to standard output."""

import importlib
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Final, Never

from service.runtime.process import end_with_starter
from service.sources.readers.pace import ReadingFailed
from service.sources.spec import CameraFrame, Kind, SourceSpec
from service.sources.wire import Message, send

Reader = Callable[[SourceSpec], Iterator[CameraFrame | None]]
_READERS: Final[dict[Kind, tuple[str, str]]] = {
    "rtsp": ("video", "read_rtsp"),
    "mjpeg": ("mjpeg", "read_mjpeg"),
    "snapshot": ("snapshot", "read_snapshots"),
    "folder": ("folder", "read_folder"),
    "video": ("video", "read_video"),
    "device": ("video", "read_device"),
}
"""The module of each kind, and the function in it."""


def reader_of(kind: Kind) -> Reader:
    """What reads a kind of source. Its module is imported when it is needed: each process needs one of them."""
    module, name = _READERS[kind]
    try:
        reader: Reader = getattr(importlib.import_module(f"service.sources.readers.{module}"), name)
    except ModuleNotFoundError as error:
        raise ReadingFailed(
            f"found no package {error.name}, expected what pip install 'smoke-bvm[watch]' brings"
        ) from None
    return reader


def serve_source() -> Never:
    """Read until the source ends or fails, or whoever started this is gone."""
    for told_to_all in (signal.SIGINT, signal.SIGTERM):
        signal.signal(told_to_all, signal.SIG_IGN)
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # What a library prints must not come between the messages.
    spec = SourceSpec(**json.loads(sys.stdin.buffer.readline()))
    end_with_starter()
    try:
        read = reader_of(spec.kind)
        send(out, Message("ready"))
        for frame in read(spec):
            send(out, Message("frame", frame.captured_s, frame.body) if frame else Message("alive"))
        last = Message("ended")
    except Exception as error:  # noqa: BLE001 - whatever a source brings about is told, and the source tried again
        last = Message("failed", body=spec.redacted(_words(error)).encode())
    send(out, last)
    os._exit(0)


def _words(error: Exception) -> str:
    """For a person. What FFmpeg says without the name of what it read, which is a URL with a password."""
    words = " ".join(str(getattr(error, "strerror", None) or error).split())
    return words if isinstance(error, ReadingFailed | OSError) else f"{type(error).__name__}: {words}"
