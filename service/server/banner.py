"""What is said when the service listens: where, with which command to try it, and who can reach it."""

import ipaddress
import logging
import shlex
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from service.settings import Settings

_LOG = logging.getLogger("service.server")


@dataclass(frozen=True, slots=True)
class StartupBanner:
    """The words, and what they depend on: a frame to try the service with, and the settings."""

    example: Path
    settings: Settings

    def announce(self, listeners: Sequence[socket.socket]) -> None:
        """Log it. The first listener is the service's, a second one is for /metrics and /admin."""
        for listener, is_private in zip(listeners, (False, True), strict=False):
            address = self._address(listener)
            if is_private:
                _LOG.info("listening for metrics and administration", extra={"admin_address": address})
                continue
            extra = {"address": address, "docs": f"{address}/docs", "try": self._trial(address)}
            _LOG.info("listening", extra=extra)
            self._say_who_can_reach(listener)

    def _address(self, listener: socket.socket) -> str:
        host, port = listener.getsockname()[:2]
        scheme = "https" if self.settings.tls_cert_file else "http"
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    def _trial(self, address: str) -> str:
        words = ["curl", "--data-binary", shlex.quote(f"@{self.example}"), "-H 'Content-Type: image/png'"]
        if self.settings.api_keys_file:
            words.append("-H 'Authorization: Bearer KEY'")
        if self.settings.tls_cert_file:
            words.append(f"--cacert {shlex.quote(str(self.settings.tls_cert_file))}")
        return " ".join([*words, f"'{address}/segment?outputs='"])

    def _say_who_can_reach(self, listener: socket.socket) -> None:
        if ipaddress.ip_address(listener.getsockname()[0]).is_loopback:
            _LOG.info("reachable from this machine only; --host or SMOKE_HOST opens it to others")
        elif self.settings.api_keys_file is None:
            _LOG.warning("open to whoever can reach this address: no API keys; SMOKE_API_KEYS_FILE asks for them")
