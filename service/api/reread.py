"""The files that are read again with the model, on SIGHUP and POST /admin/reload alike: keys, certificate, rules of the cameras."""

import logging
import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path

from service.api.auth import ApiKeys
from service.cameras.rules import CameraFile
from service.errors import SettingsInvalid
from service.settings import Settings

_LOG = logging.getLogger("service.server")


class RereadFiles:
    """Reads each file again; one that is broken leaves what was before. Belongs to the event loop's thread.

    Args:
        settings: Name the files.
        keys: Of the first.
        cameras: The rules.

    Attributes:
        tls: What connections are opened with; None without a certificate.
    """

    def __init__(self, settings: Settings, keys: ApiKeys | None, cameras: CameraFile) -> None:
        self._settings = settings
        self._keys = keys
        self._cameras = cameras
        self.tls: ssl.SSLContext | None = None

    def reread(self) -> list[str]:
        """Read them all; returns what is wrong with those that were refused, each with its setting's name."""
        keys, cert, tls = self._settings.api_keys_file, self._settings.tls_cert_file, self.tls
        read: dict[str, Callable[[], None]] = {}
        if self._settings.cameras_file is not None:
            read["cameras file"] = self._read_cameras
        if self._keys is not None and keys is not None:
            read["keys"] = partial(self._keys.reload, keys)
        if tls is not None and cert is not None:
            read["certificate"] = partial(_load_certificate, tls, cert, self._settings.tls_key_file)
        return [refused for name, again in read.items() if (refused := _tried(name, again))]

    def _read_cameras(self) -> None:
        self._cameras.refresh()
        if self._cameras.error:
            raise SettingsInvalid(f"SMOKE_CAMERAS_FILE: {self._cameras.error}")


def _load_certificate(tls: ssl.SSLContext, cert: Path, key: Path | None) -> None:
    """For connections from now on. A context is spoilt by a chain that does not fit its key: hence first into one of its own."""
    check_certificate(cert, key)
    tls.load_cert_chain(cert, key)


def check_certificate(cert: Path, key: Path | None) -> None:
    """Whether a chain and its key can be used.

    Raises:
        SettingsInvalid: They cannot.
    """
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(cert, key)
    except OSError as error:
        found = f"found {cert} with {key}"
        raise SettingsInvalid(f"SMOKE_TLS_CERT_FILE: {found}: {error}, expected a chain and its key (PEM)") from error


def _tried(name: str, again: Callable[[], None]) -> str | None:
    try:
        again()
    except SettingsInvalid as error:
        _LOG.warning(f"{name} not changed", extra={"detail": str(error)})
        return str(error)
    _LOG.info(f"{name} read again")
    return None
