"""Debian's Redis for a test: on a free port of the loopback address, killed and started again with an empty memory."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.ports import free_port
from tests.tools import program


class RedisServer:
    """A Redis that keeps nothing on disk; `password` is asked for, if there is one."""

    def __init__(self, folder: Path, password: str = "") -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        server = program("redis-server", "Debian's redis-server")
        self._command = [server, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        self._command += ["--requirepass", password] if password else []
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        ready_by_s = time.monotonic() + 60.0
        while time.monotonic() < ready_by_s:
            with socket.socket() as there:
                if there.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise AssertionError("Redis did not start")

    def tell(self, *command: str) -> None:
        """Give it a command, such as CONFIG SET."""
        subprocess.run(["redis-cli", "-p", str(self.port), *command], check=True, stdout=subprocess.DEVNULL)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def redis_server(folder: Path, password: str = "") -> Iterator[RedisServer]:
    server = RedisServer(folder, password)
    try:
        yield server
    finally:
        server.kill()
