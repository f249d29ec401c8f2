"""`smoke-bvm serve`: bind, load the model, serve until told to stop, drain."""

import errno
import gc
import logging
import math
import os
import resource
import socket
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final

import cv2
import uvicorn
from starlette.applications import Starlette

from models.manifest import Manifest
from service.api.reread import check_certificate
from service.api.state import AppState
from service.errors import AddressUnusable, StartError
from service.runtime.process import limit_heap
from service.runtime.reload import Reloader
from service.server.app import create_app
from service.server.banner import StartupBanner
from service.server.components import load
from service.server.connection_limits import ConnectionLimits, limited
from service.server.draining import DrainingServer
from service.server.logs import start_logging
from service.settings import Settings, unknown_variables

_LOG = logging.getLogger("service.server")
_FILES_KEPT: Final = 64
_KEEP_ALIVE_S: Final = 75
"""Longer than the proxies and cameras in front keep an idle connection, so that it is never closed under a request."""
_FLUSH_S: Final = 2.0
"""The part of `drain_s` kept for answers on their way out, and for cutting off whoever is still inside."""
_LEAVE_S: Final = 1.0
"""After `drain_s`: for what is left to write down once everybody is out."""


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; then finish what was accepted, within `drain_s`. SIGHUP reads model and files anew.

    Raises:
        StartError: The address cannot be bound, or the model, the keys or the certificate cannot be used.
    """
    start_logging(settings.log_level, settings.log_format)
    if unknown := unknown_variables():
        _LOG.warning("variables named like settings that nothing reads", extra={"variables": ", ".join(unknown)})
    limit_heap()
    # Frames are worked on side by side, each on one core.
    cv2.setNumThreads(1)
    if settings.tls_cert_file is not None:
        check_certificate(settings.tls_cert_file, settings.tls_key_file)
    with ExitStack() as stack:
        listeners = [stack.enter_context(bind(settings.host, settings.port))]
        if settings.admin_port is not None:
            listeners.append(stack.enter_context(bind(settings.admin_host, settings.admin_port)))
            settings = settings.model_copy(update={"admin_port": listeners[1].getsockname()[1]})
        server, reloader = _server(settings)
        try:
            server.run(sockets=listeners)
        finally:
            _leave(reloader)
    if not server.started:
        raise StartError("the service did not start; the log says why")


def _leave(reloader: Reloader) -> None:
    """A model that is still being loaded would have the interpreter abort as it ends: end without it. All else is done."""
    if not reloader.ended(_FLUSH_S):
        logging.shutdown()
        os._exit(0)


def _server(settings: Settings) -> tuple["DrainingServer", Reloader]:
    """Load the model and wire everything."""
    app = create_app(settings, lambda: load(settings))
    # What is loaded by now stays: the collector need not look through it again while frames wait.
    gc.collect()
    gc.freeze()
    state = AppState.of(app)
    flush_s = min(settings.drain_s, _FLUSH_S)
    config = _config(app, state, flush_s)
    config.load()
    state.files.tls = config.ssl
    server = DrainingServer(config, state.admission, settings.drain_s - flush_s, settings.header_timeout_s)
    server.end_s = settings.drain_s + _LEAVE_S
    server.on_drain = state.events.close
    server.on_hangup = partial(_reread, state)
    server.banner = StartupBanner(_example(settings), settings)
    return server, state.reloader


def _reread(state: AppState) -> None:
    """Read the files anew at once; the model takes its time."""
    state.reloader.start()
    state.files.reread()


def _example(settings: Settings) -> Path:
    release = settings.release()
    return release / Manifest.read(release).golden.frame


def bind(host: str, port: int) -> socket.socket:
    """Take an address without listening on it yet: what is queued there before the model is loaded would only time out.

    Raises:
        AddressUnusable: It is in use, not of this machine, or not permitted.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return _bound(socket.socket(family, kind, protocol), address)
    except UnicodeError as error:  # of a name that no name server could be asked for
        raise AddressUnusable(f"cannot listen on {host}:{port}: found no name of a host: {error}") from error
    except OSError as error:
        hint = "; is another server running?" if error.errno == errno.EADDRINUSE else ""
        raise AddressUnusable(f"cannot listen on {host}:{port}: {error.strerror or error}{hint}") from error


def _bound(listener: socket.socket, address: tuple[Any, ...]) -> socket.socket:
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener


def _limits(settings: Settings) -> ConnectionLimits:
    """Some files are kept free of connections: the model's, the log's, the listeners."""
    files_max = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    connections_max = min(settings.connections_max, max(8, files_max - _FILES_KEPT))
    return ConnectionLimits(
        connections_max, settings.header_timeout_s, settings.send_timeout_s, settings.unread_bytes_max
    )


def _config(app: Starlette, state: AppState, flush_s: float) -> uvicorn.Config:
    settings = state.settings
    return uvicorn.Config(
        app,
        http=limited(_limits(settings), state.metrics.connection_closed),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        ssl_certfile=settings.tls_cert_file,
        ssl_keyfile=settings.tls_key_file,
        timeout_graceful_shutdown=math.ceil(flush_s),
        timeout_keep_alive=_KEEP_ALIVE_S,
    )
