"""A real server process on the loopback, started and ended by the test."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

START_S = 120.0


class Server:
    """`smoke-bvm serve` in a process of its own; its log is read line by line.

    It lets everybody in, however long the wait, unless SMOKE_WAIT_MAX_MS is given.
    """

    def __init__(
        self, release: Path, port: int = 0, command: tuple[str, ...] = ("service", "serve"), **variables: str
    ) -> None:
        chosen = {"SMOKE_MODEL_DIR": str(release), "SMOKE_PORT": str(port), "SMOKE_WAIT_MAX_MS": "600000"}
        environment = {**os.environ, **chosen, **variables}
        self.process = subprocess.Popen(
            [sys.executable, "-m", *command], stderr=subprocess.PIPE, text=True, env=environment
        )
        self.lines: list[str] = []
        self._address: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def url(self) -> str:
        address = self._address.get(timeout=START_S)
        assert address, f"the server did not start: {self.lines}"
        self._address.put(address)
        return address

    @property
    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines if line.startswith("{")]

    def client(self) -> httpx2.Client:
        return httpx2.Client(base_url=self.url, timeout=START_S, trust_env=False)

    def stop(self, timeout_s: float = START_S) -> int:
        """Send SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait(timeout_s)

    def wait(self, timeout_s: float = START_S) -> int:
        code = self.process.wait(timeout_s)
        self._reader.join(timeout_s)
        return code

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stderr
        self.process.stderr.close()

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self.lines.append(line)
            if '"message": "listening"' in line:
                self._address.put(json.loads(line)["address"])
        self._address.put(None)


@pytest.fixture
def start(release: Path) -> Iterator[Callable[..., Server]]:
    """Start a server: `start()` on the closed-form release, `start(folder, port=1, SMOKE_X="1")`."""
    servers: list[Server] = []

    def started(folder: Path = release, **options: Any) -> Server:
        servers.append(Server(folder, **options))
        return servers[-1]

    yield started
    for server in servers:
        server.end()


@pytest.fixture(scope="module")
def server(release: Path) -> Iterator[Server]:
    """One server for the tests that leave it as it was."""
    server = Server(release)
    yield server
    server.end()
