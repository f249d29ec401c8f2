"""`smoke-bvm serve`: bind, load the model, serve until told to stop, drain."""

import errno
import ipaddress
import logging
import math
import signal
import socket
from types import FrameType
from typing import Never

import uvicorn
from starlette.applications import Starlette

from service.app import create_app
from service.errors import AddressUnusable, StartError
from service.lifecycle import Lifecycle
from service.logs import start_logging
from service.placement import Placement
from service.session import open_model
from service.settings import Settings

_LOG = logging.getLogger(__name__)


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; then finish what was accepted, within `drain_s`.

    Raises:
        StartError: The address cannot be bound or the model cannot be used.
    """
    start_logging(settings.log_level)
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, _exit)
    with bind(settings.host, settings.port) as listener:
        app = create_app(settings, open_model(settings.release(), Placement.of(settings)))
        server = DrainingServer(_config(app, settings), app.state.lifecycle)
        server.run(sockets=[listener])
    if not server.started:
        raise StartError("the service did not start; the log says why")


def bind(host: str, port: int) -> socket.socket:
    """Take an address without listening on it yet: what is queued there before the model is loaded would only time out.

    Raises:
        AddressUnusable: It is in use, not of this machine, or not permitted.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        hint = "; is another server running?" if error.errno == errno.EADDRINUSE else ""
        raise AddressUnusable(f"cannot listen on {host}:{port}: {error.strerror or error}{hint}") from error
    return listener


class DrainingServer(uvicorn.Server):
    """Says where it listens; closes the service's door on the first signal, so that it is not ready while it ends."""

    def __init__(self, config: uvicorn.Config, lifecycle: Lifecycle) -> None:
        super().__init__(config)
        self._lifecycle = lifecycle

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start as uvicorn does, then announce the address."""
        await super().startup(sockets)
        for listener in sockets or [] if self.started else []:
            _announce(listener)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain, then stop as uvicorn does."""
        self._lifecycle.drain()
        super().handle_exit(sig, frame)


def _config(app: Starlette, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=math.ceil(settings.drain_s),
    )


def _announce(listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    _LOG.info("listening", extra={"address": f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"})
    if ipaddress.ip_address(host).is_loopback:
        _LOG.info("reachable from this machine only; --host or SMOKE_HOST opens it to others")


def _exit(_signal: int, _frame: FrameType | None) -> Never:
    """A signal before, or raised again after, uvicorn's own handling of it ends the process in order."""
    raise SystemExit(0)
