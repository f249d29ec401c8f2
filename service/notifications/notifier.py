"""Hands each change of a camera to everything that tells people of it, and keeps what they were not told yet for the next start."""

import json
import logging
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final, Protocol

from pydantic import ConfigDict, TypeAdapter

from service.cameras.alarm_status import AlarmTransition
from service.cameras.storage.snapshot import STATE_BYTES_MAX
from service.errors import in_one_line
from service.files import read_text
from service.validation import CAMERA_ID

_LOG = logging.getLogger("service.notifications")
_CHANGES: Final = TypeAdapter(dict[str, list[AlarmTransition]], config=ConfigDict(allow_inf_nan=False))


class Sink(Protocol):
    """Something that is told of every change: `service.notifications.outbox`, `service.notifications.mqtt`.

    Attributes:
        name: Label in the metrics.
        waiting_s: For how long it is behind; 0 if it is not.
        undelivered: What must outlive a restart.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def waiting_s(self) -> float: ...  # noqa: D102

    @property
    def undelivered(self) -> list[AlarmTransition]: ...  # noqa: D102

    def notify(self, change: AlarmTransition) -> None:
        """Leave a change to be told; returns at once."""
        ...

    def show(self, camera_id: str, picture: bytes) -> None:
        """Leave a picture of a camera's alarm, a JPEG file, to be shown where pictures are; returns at once."""
        ...

    def resume(self, changes: Iterable[AlarmTransition]) -> None:
        """Take in what was undelivered before a restart."""
        ...

    def running(self) -> AbstractAsyncContextManager[None]:
        """Tell while the context lasts."""
        ...


class Notifier:
    """Hands each change to every sink.

    Args:
        sinks: Where changes go, each with a name of its own.
    """

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self.sinks = sinks

    def notify(self, change: AlarmTransition) -> None:
        """Leave a change to be told; returns at once."""
        for sink in self.sinks:
            sink.notify(change)

    def show(self, camera_id: str, picture: bytes) -> None:
        """Leave a picture of a camera's alarm, a JPEG file, to be shown; returns at once."""
        for sink in self.sinks:
            sink.show(camera_id, picture)

    def undelivered(self) -> dict[str, list[dict[str, Any]]]:
        """What waits, by the name of its sink, for the state file."""
        waiting = {sink.name: [change._asdict() for change in sink.undelivered] for sink in self.sinks}
        return {name: changes for name, changes in waiting.items() if changes}

    def resume(self, file: Path | None) -> None:
        """Take in what was undelivered when the state file was written."""
        saved = _read(file) if file else {}
        for sink in self.sinks:
            sink.resume(saved.pop(sink.name, []))
        if left := sum(map(len, saved.values())):
            _LOG.warning("undelivered notifications of before the start have no channel any more", extra={"lost": left})
        if waiting := sum(map(len, self.undelivered().values())):
            _LOG.info("undelivered notifications restored", extra={"notifications": waiting})

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Tell while the context lasts."""
        async with AsyncExitStack() as stack:
            for sink in self.sinks:
                await stack.enter_async_context(sink.running())
            yield


def _read(file: Path) -> dict[str, list[AlarmTransition]]:
    """None where there is no file; of one that is no JSON at all `service.cameras.storage.snapshot` says so, and sets it aside."""
    try:
        saved = _CHANGES.validate_python(json.loads(read_text(file, STATE_BYTES_MAX)).get("undelivered", {}))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        found = "brackets nested too deeply" if isinstance(error, RecursionError) else in_one_line(error)[:200]
        told = {"file": str(file), "error": found}
        _LOG.error("undelivered notifications of before the start cannot be read, and are lost", extra=told)
        return {}
    known = re.compile(CAMERA_ID)
    return {
        name: [change for change in changes if known.fullmatch(change.camera_id)] for name, changes in saved.items()
    }
