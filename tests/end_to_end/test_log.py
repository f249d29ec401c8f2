"""The log of a service, read by somebody who stops reading."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import httpx2
import pytest

from tests.pictures import file_of, plume
from tests.ports import free_port

PIPE_BYTES = 4096
LINES = 200
"""More than a small pipe or a terminal holds."""


def wait_until_ready(client: httpx2.Client) -> None:
    end_s = time.monotonic() + 60
    while time.monotonic() < end_s:
        with suppress(httpx2.TransportError):
            if client.get("/health/ready").status_code == 200:
                return
        time.sleep(0.05)
    raise AssertionError("the server did not start")


def small_pipe() -> tuple[int, int]:
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return reading, writing


@pytest.mark.parametrize("opened", [small_pipe, os.openpty], ids=["a pipe", "a terminal"])
def test_a_log_that_nobody_reads_holds_up_neither_frames_nor_the_end(release, opened):
    """Written there by whoever had the line to say, it stopped the whole service once there was no room."""
    reading, writing = opened()
    port = free_port()
    environment = {**os.environ, "SMOKE_MODEL_DIR": str(release), "SMOKE_PORT": str(port)}
    server = subprocess.Popen([sys.executable, "-m", "service", "serve"], stderr=writing, env=environment)
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:
            wait_until_ready(client)
            for _ in range(LINES):
                assert client.post("/segment?outputs=", content=file_of(plume())).status_code == 200
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0
    finally:
        server.kill()
        server.wait()
        os.close(reading)
        os.close(writing)


def test_a_service_whose_standard_files_are_closed_answers(release):
    port = free_port()
    environment = {**os.environ, "SMOKE_MODEL_DIR": str(release), "SMOKE_PORT": str(port)}
    closed = 'exec "$0" -m service serve <&- >&- 2>&-'
    server = subprocess.Popen(["/bin/sh", "-c", closed, sys.executable], env=environment)
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=20, trust_env=False) as client:
            wait_until_ready(client)
            assert client.post("/segment?outputs=", content=file_of(plume())).status_code == 200
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) == 0
    finally:
        server.kill()
        server.wait()
