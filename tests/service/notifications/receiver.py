"""A receiver of webhooks on the loopback."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Receiver(ThreadingHTTPServer):
    """Answers with the statuses that it is given, then with 204; keeps what came."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.statuses: list[int] = []
        self.broken = False
        self.free = threading.Event()
        self.free.set()
        self.came: list[tuple[dict[str, str], bytes]] = []
        self.one_came = threading.Semaphore(0)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"


class _Answer(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.server.free.wait(60)
        self.server.came.append((dict(self.headers), body))
        healthy = 500 if self.server.broken else 204
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else healthy)
        self.send_header("Location", self.server.url)
        self.end_headers()
        self.server.one_came.release()

    def log_message(self, *_: object) -> None:
        """Say nothing on standard error."""


def serving(server: Receiver) -> Iterator[Receiver]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    thread.join()


def eventually(look: Callable[[], object]) -> None:
    """Wait until it is true; a file that is not there yet is no answer."""
    for _ in range(600):
        with contextlib.suppress(FileNotFoundError):
            if look():
                return
        time.sleep(0.1)
    raise AssertionError("waited in vain")
