"""The folder of kept alarms: `ID/alarm.json`, and of each kept frame `ID/NUMBER.frame.jpg`, `.overlay.jpg` and `.reply.json`.

A file is written beside its place and then takes it, so that whoever reads sees a whole one. `alarm.json` names the frames that
count and is written after them; what it does not name goes afterwards. So a crash in between leaves at most files that nothing names.
"""

import errno
import logging
import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from re import fullmatch
from typing import Final

from service.alarms.record import AlarmRecord, KeptFile
from service.cameras.alarm import ALARM_ID
from service.files import write_whole

_LOG = logging.getLogger("service.alarms")
_RECORD: Final = "alarm.json"


class AlarmFolder:
    """The folder at a path, made where it is not there. Ids and file names given to it must be known ones: it makes paths of them.

    Raises:
        OSError: It cannot be made, or not be written to.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    def read(self) -> list[AlarmRecord]:
        """Every alarm that is there; nothing is written or dropped. Raises OSError."""
        found = (self._read(folder) for folder in self._folders())
        return [record for record in found if record is not None]

    def sweep(self, records: Iterable[AlarmRecord]) -> None:
        """Drop what a crash left behind: frames that none of these names, and alarms that were never written down."""
        known = {record.id: record for record in records}
        for folder in self._folders():
            try:
                if folder.name in known:
                    self._drop_unnamed(known[folder.name])
                elif not (folder / _RECORD).exists():
                    self.remove(folder.name)
            except OSError as error:
                _LOG.error("what a crash left of an alarm stays", extra={"file": str(folder), "error": str(error)})

    def _folders(self) -> list[Path]:
        return sorted(folder for folder in self.path.iterdir() if fullmatch(ALARM_ID, folder.name))

    def _read(self, folder: Path) -> AlarmRecord | None:
        try:
            record = AlarmRecord.model_validate_json((folder / _RECORD).read_bytes())
            if record.id != folder.name:
                raise ValueError(f"found the alarm {record.id}, expected that of the folder's name")
            return record
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            _LOG.error(
                "a kept alarm cannot be read; it is left alone", extra={"file": str(folder), "error": str(error)}
            )
            return None

    def write_frame(self, alarm_id: str, number: int, files: Mapping[KeptFile, bytes]) -> None:
        """Write a frame's files; where one cannot be written none is left. Raises OSError."""
        folder = self.path / alarm_id
        folder.mkdir(exist_ok=True)
        try:
            for name, content in files.items():
                _replace(folder / f"{number}.{name}", content)
        except OSError:
            for name in files:
                (folder / f"{number}.{name}").unlink(missing_ok=True)
            raise

    def write_record(self, record: AlarmRecord) -> None:
        """Write an alarm down, and drop the frames that it no longer names. Raises OSError."""
        folder = self.path / record.id
        folder.mkdir(exist_ok=True)
        _replace(folder / _RECORD, record.model_dump_json().encode())
        self._drop_unnamed(record)

    def _drop_unnamed(self, record: AlarmRecord) -> None:
        named = {str(frame.number) for frame in record.frames.values()}
        for file in (self.path / record.id).iterdir():
            if file.name != _RECORD and file.name.partition(".")[0] not in named:
                file.unlink(missing_ok=True)

    def file(self, alarm_id: str, number: int, name: KeptFile) -> bytes | None:
        """A file of a kept frame; None where it is gone. Raises OSError."""
        try:
            return (self.path / alarm_id / f"{number}.{name}").read_bytes()
        except FileNotFoundError:
            return None

    def remove(self, alarm_id: str) -> None:
        """Drop an alarm with everything that was kept of it. Raises OSError."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self.path / alarm_id)


def _replace(file: Path, content: bytes) -> None:
    """Write a file as a whole, or not at all. Raises OSError."""
    write_whole(content, file, file.with_name(f".{file.name}.new"))
