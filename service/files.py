"""Files that somebody else put there: read and written so that none makes the service wait, or fills its memory.

Whoever opens a named pipe waits until its other side is opened; a device such as `/dev/zero` never ends.
"""

import errno
import os
import stat
from pathlib import Path
from typing import Final

MOST_BYTES: Final = 16 * 2**20


def read_file(path: Path, most_bytes: int = MOST_BYTES) -> bytes:
    """The bytes of a file. Raises OSError, also where it is none (a folder, a pipe, a device) or too large."""
    with os.fdopen(_at_once(path, os.O_RDONLY), "rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise OSError(errno.EINVAL, "found a pipe or a device, expected a file", str(path))
        body = stream.read(most_bytes + 1)
    if len(body) > most_bytes:
        raise OSError(errno.EFBIG, f"found a file of more than {most_bytes} bytes, expected a smaller one", str(path))
    return body


def read_text(path: Path, most_bytes: int = MOST_BYTES) -> str:
    """The text of a file, in UTF-8 with or without a mark at its beginning. Raises OSError as `read_file`, and ValueError."""
    return read_file(path, most_bytes).decode("utf-8-sig")


def read_secret(file: Path) -> str:
    """What a file holds without the line's end; a pipe will do, as a shell gives for `<(pass show key)`. Raises ValueError."""
    try:
        secret = file.read_text(encoding="utf-8-sig").strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no text in UTF-8"
        raise ValueError(f"found {file}: {reason}, expected a file with the secret") from None
    if not secret:
        raise ValueError(f"found {file} empty, expected a file with the secret")
    return secret


def append(data: bytes, path: Path) -> None:
    """Write to the end of a file, all of it or nothing. Raises OSError, also for a pipe that nobody reads."""
    with os.fdopen(_at_once(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "ab", buffering=0) as stream:
        before = os.fstat(stream.fileno()).st_size
        if stream.write(data) != len(data):
            os.ftruncate(stream.fileno(), before)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def write_whole(content: bytes, path: Path, beside: Path) -> None:
    """Write `beside`, which then takes the place of `path`: a reader sees the old file or the new one, whole.

    Raises OSError, also for a pipe that nobody reads; then the old one is left, and nothing beside it.
    """
    try:
        with os.fdopen(_at_once(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def _at_once(path: Path, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0), 0o666)
