"""An address is taken before the model is loaded, or refused in words."""

import os
import signal
import socket
import subprocess
import sys

import pytest

from service.errors import AddressUnusable
from service.server.serve import bind


def test_a_free_port_is_taken_but_not_listened_on_yet():
    with bind("127.0.0.1", 0) as listener, socket.socket() as caller:
        assert caller.connect_ex(listener.getsockname()) != 0


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("192.0.2.1", "cannot listen on 192.0.2.1:0"),
        ("no.such.host.invalid", "cannot listen on no.such"),
        ("no..name", "no name of a host"),
    ],
)
def test_an_address_that_is_not_this_machines_is_refused_in_words(host, words):
    with pytest.raises(AddressUnusable) as refusal:
        bind(host, 0)
    assert words in str(refusal.value)


def test_a_port_in_use_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(AddressUnusable, match=rf"127\.0\.0\.1:{port}: Address already in use"):
            bind("127.0.0.1", port)


_SIGNALLED = """
import builtins, os, sys
load, number = builtins.__import__, int(sys.argv[1])
def signalled(name, *rest, **named):
    if name == "service.server.serve":
        os.kill(os.getpid(), number)
    return load(name, *rest, **named)
builtins.__import__ = signalled
from service.__main__ import main
sys.exit(main(["serve", "--port", "0", "--model-dir", "/nowhere"]))
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 0), (signal.SIGHUP, 3)])
def test_a_signal_finds_a_service_that_is_only_being_imported_ready_for_it(number, code):
    """Told to end it ends in order, and a SIGHUP does not end it: it goes on to find that there is no model."""
    environment = {**os.environ, "SMOKE_LOG_LEVEL": "error"}
    command = [sys.executable, "-c", _SIGNALLED, str(int(number))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, done.stderr
