"""The files that settings name: there and of use, or refused with the name of the setting before anything starts."""

import errno
import os
import ssl
from pathlib import Path

from service.cameras.storage.snapshot import beside
from service.errors import SettingsInvalid
from service.files import append, read_secret
from service.settings import Settings


def check_files(settings: Settings) -> None:
    """Refuse files that cannot be written: what they are for would be lost later, and nobody told until then.

    Raises:
        SettingsInvalid: One cannot.
    """
    if settings.feedback_file:
        _check_writable("SMOKE_FEEDBACK_FILE", settings.feedback_file, settings.feedback_file)
    if settings.state_file:
        _check_writable("SMOKE_STATE_FILE", settings.state_file, beside(settings.state_file))


def _check_writable(name: str, file: Path, written: Path) -> None:
    try:
        if file.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(file))
        if written != file and file.exists() and not file.is_file():
            raise OSError(errno.EINVAL, "a pipe or a device")
        there = written.exists()
        append(b"", written)
        if not there:
            written.unlink()
    except OSError as error:
        expected = "expected a file in a folder that is there and can be written"
        raise SettingsInvalid(f"{name}: found {file}: {error.strerror or error}, {expected}") from error


def named_authority(name: str, file: Path | None) -> ssl.SSLContext:
    """Believe what is signed by the certificates of the file; without one, by the system's. Raises SettingsInvalid: it holds none."""
    try:
        return ssl.create_default_context(cafile=file)
    except (OSError, ValueError) as error:
        raise SettingsInvalid(f"{name}: found {file}: {error}, expected certificates (PEM)") from error


def named_secret(name: str, file: Path) -> str:
    """What the file that a setting names holds. Raises SettingsInvalid: no secret can be read there."""
    try:
        return read_secret(file)
    except ValueError as error:
        raise SettingsInvalid(f"{name}: {error}") from None
