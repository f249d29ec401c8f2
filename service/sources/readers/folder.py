"""A folder that grows, as a camera fills it by FTP: its newest picture, once it is whole.

A file is whole when its end is there. One without an end that has not changed for a while will get none: it is read as it is, and
the decoder says what is wrong with it.
"""

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from service.sources.picture_files import is_picture, may_hold_pictures, natural
from service.sources.readers.pace import Pace, ReadingFailed
from service.sources.readers.pictures import is_whole
from service.sources.spec import CameraFrame, SourceSpec
from service.sources.wire import BODY_MAX_BYTES

_SETTLED_S: Final = 10.0
_ROUNDING_NS: Final = 1000
"""Of seconds since 1970 in a float."""
_UNFINISHED_MAX: Final = 4
"""So many files are looked into at once; in a folder that grows all but the newest few are whole."""


class _File(NamedTuple):
    """Order of age, then as a person counts."""

    changed_ns: int
    order: list[tuple[list[str | int], str]]
    path: Path


def read_folder(spec: SourceSpec) -> Iterator[CameraFrame | None]:
    """The newest whole picture in a folder and below it whenever there is a newer one; None where there is none.

    Raises:
        ReadingFailed: There is no such folder, or of a folder without anything newer a part cannot be looked into.
    """
    folder, pace = Path(spec.address), Pace(spec.interval_s)
    newest = _File(int(spec.after_s * 1e9) + _ROUNDING_NS, [], folder)
    while True:
        time.sleep(pace.left_s)
        closed: list[OSError] = []
        found = _newest_whole(folder, newest, closed)
        if found is None and closed and newest.path == folder:
            raise ReadingFailed(
                f"found a folder that cannot be looked into: {closed[0].filename}: {closed[0].strerror}"
            )
        if found is None:
            yield None
            time.sleep(pace.poll_s())
            continue
        newest, body = found
        pace.taken()
        yield CameraFrame(newest.changed_ns / 1e9, body)


def _newest_whole(folder: Path, than: _File, closed: list[OSError]) -> tuple[_File, bytes] | None:
    """The newest of the files that are newer than one, with what it holds; `closed` gets why folders cannot be looked into."""
    files = sorted((file for file in _files(folder, closed) if file > than), reverse=True)
    for file in files[:_UNFINISHED_MAX]:
        body = _read(file)
        if body and (is_whole(body) or time.time_ns() - file.changed_ns > _SETTLED_S * 1e9):
            return file, body
    return None


def _files(folder: Path, closed: list[OSError]) -> Iterator[_File]:
    def note(error: OSError) -> None:
        seen = may_hold_pictures(Path(error.filename).relative_to(folder))
        if seen and not isinstance(error, FileNotFoundError):
            closed.append(error)

    if not folder.is_dir():
        raise ReadingFailed(f"found no folder {folder}, expected one")
    for base, _, names in os.walk(folder, onerror=note):
        for name in names:
            path = Path(base, name)
            if is_picture(path.relative_to(folder)) and (file := _stated(path)):
                yield file


def _stated(path: Path) -> _File | None:
    """None where it is gone since it was listed, or a pipe, which would be waited for."""
    try:
        found = path.stat()
    except OSError:
        return None
    return _File(_changed_ns(found), natural(path), path) if stat.S_ISREG(found.st_mode) else None


def _changed_ns(found: os.stat_result) -> int:
    """When it was written to. A camera may set a time to come, after which nothing would be newer; when that was done it cannot set."""
    return min(found.st_mtime_ns, found.st_ctime_ns)


def _read(file: _File) -> bytes | None:
    """What a file holds; None where it is gone, too large, or was written to meanwhile."""
    try:
        with file.path.open("rb") as stream:
            body = stream.read(BODY_MAX_BYTES + 1)
            unchanged = _changed_ns(os.fstat(stream.fileno())) == file.changed_ns
    except OSError:
        return None
    return body if unchanged and len(body) <= BODY_MAX_BYTES else None
