"""What is measured: this service, and what a user would pick instead, each started as a process of its own on a free port."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from models.manifest import Manifest
from tests.end_to_end.conftest import Server

ROOT = Path(__file__).resolve().parents[3]
PEERS_PYTHON = ROOT / ".venv-bench/bin/python"
OURS = "smoke-bvm"
OUR_PNG = ", our PNG"
PEERS = {
    "LitServe": ("litserve_app.py",),
    "BentoML": ("-m", "bentoml", "serve", "bentoml_app:Segment"),
    "FastAPI": ("fastapi_app.py",),
}
_FOLDER = Path(__file__).resolve().parent / "peers"
_START_S = 120.0
_DEADLINE_S = "600"
"""Nobody's time runs out, and as `Server` has it nobody waits too long: none is refused, however many ask at once."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A way to do the same work.

    Attributes:
        name: One of PEERS.
        workers, threads: Processes, and threads of one inference.
        png: `opencv`, or `service` for the writer that the service has.
    """

    name: str
    workers: int
    threads: int
    png: str = "opencv"

    @property
    def label(self) -> str:
        """As in the tables."""
        return self.name + (OUR_PNG if self.png != "opencv" else "")


@dataclass(frozen=True, slots=True)
class Running:
    """A system that answers: the address to post to, and its process."""

    url: str
    pid: int


@contextmanager
def ours(release: Path, resolution: str, precision: str = "fp32") -> Iterator[Running]:
    """The service as it comes, but for limits that refuse somebody, and by default with the model file that the peers have."""
    server = Server(release, SMOKE_DEADLINE_S=_DEADLINE_S, SMOKE_PRECISION=precision)
    try:
        yield Running(f"{server.url}/segment?resolution={resolution}", server.process.pid)
    finally:
        server.end()


@contextmanager
def peer(chosen: Peer, release: Path, resolution: str) -> Iterator[Running]:
    """A peer. Raises RuntimeError, with its last words, where it does not come up."""
    port = _free_port()
    environment = peer_environment(chosen, release, resolution, port)
    command = [str(PEERS_PYTHON), *PEERS[chosen.name]]
    if chosen.name == "BentoML":
        command += ["--port", str(port), "--host", "127.0.0.1"]
    with subprocess.Popen(
        command,
        cwd=_FOLDER,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            _await_answer(process, port)
            yield Running(f"http://127.0.0.1:{port}/segment", process.pid)
        finally:
            _end(process)


def peer_environment(chosen: Peer, release: Path, resolution: str, port: int = 0) -> dict[str, str]:
    """The variables that `peers/work.py` reads, beside those of this process."""
    manifest = Manifest.read(release)
    told = {
        "model": release / manifest.models["fp32"],
        "threshold": manifest.threshold,
        "threads": chosen.threads,
        "workers": chosen.workers,
        "resolution": resolution,
        "png": "opencv" if chosen.png == "opencv" else ROOT,
        "port": port,
    }
    quiet = {"BENTOML_DO_NOT_TRACK": "true", "PYTHONDONTWRITEBYTECODE": "1"}
    return os.environ | quiet | {f"BENCH_{name.upper()}": str(value) for name, value in told.items()}


def loop_command(python: Path | str, frame: Path, seconds: float) -> list[str]:
    """The tight loop without HTTP."""
    return [str(python), str(_FOLDER / "loop.py"), str(frame), f"{seconds:g}"]


def python_of_peers() -> str:
    """The peers' own interpreter where there is one; this one has all that the loop needs."""
    return str(PEERS_PYTHON) if PEERS_PYTHON.exists() else sys.executable


def _await_answer(process: subprocess.Popen, port: int) -> None:
    until_s = time.monotonic() + _START_S
    while time.monotonic() < until_s:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args} ended with {process.returncode} before it answered")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
            return
        time.sleep(0.1)
    raise RuntimeError(f"{process.args} did not answer within {_START_S:g} s")


def _end(process: subprocess.Popen) -> None:
    """The whole session: some peers leave workers behind."""
    for stop in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, stop)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
    process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
