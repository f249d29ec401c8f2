"""A real RTSP server: a password, a cut, silence, and back."""

import itertools
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from service.sources.readers.video import read_rtsp
from service.sources.watched import SourceState
from tests import tools
from tests.pictures import array_of
from tests.service.sources.specs import spec_of
from tests.service.sources.watching import Watching, watch

SERVER = Path(__file__).with_name("rtsp_server.py")
PYTHON = Path("/usr/bin/python3")
PACKAGES = "gir1.2-gst-rtsp-server-1.0, python3-gi, gstreamer1.0-plugins-base, gstreamer1.0-plugins-good and gstreamer1.0-plugins-ugly"


class RtspServer:
    """The server in a process of its own."""

    def __init__(self, port: int = 0, *login: str) -> None:
        self._command = [PYTHON, SERVER]
        self._login = login
        self.start(port)

    def start(self, port: int) -> None:
        command = [*self._command, str(port), *self._login]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        self.port = int(self.process.stdout.readline())

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}/now"

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout
        self.process.stdout.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., RtspServer]]:
    found = PYTHON.exists() and subprocess.run(
        [PYTHON, "-c", "import gi; gi.require_version('GstRtspServer', '1.0')"], capture_output=True, check=False
    )
    if not found or found.returncode:
        tools.missing(f"no RTSP server here: it comes with {PACKAGES}")
    servers: list[RtspServer] = []

    def start(*login: str) -> RtspServer:
        servers.append(RtspServer(0, *login))
        return servers[-1]

    yield start
    for server in servers:
        server.end()


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_stream_with_a_password_gives_frames_at_the_interval(serve, transport):
    server = serve("viewer", "geheim")
    login = {"username": "viewer", "password": "geheim"}
    frames = read_rtsp(spec_of("rtsp", server.url, interval_s=0.3, transport=transport, **login))
    taken = list(itertools.islice(frames, 3))
    frames.close()
    assert [np.median(array_of(frame.body)[..., 0]) for frame in taken] == pytest.approx([204] * 3, abs=6)
    assert taken[2].captured_s - taken[0].captured_s >= 0.5


def test_key_frames_alone_are_enough_where_the_interval_is_long(serve):
    frames = read_rtsp(spec_of("rtsp", serve().url, interval_s=0.1, keyframes=True))
    taken = list(itertools.islice(frames, 8))
    frames.close()
    # Every half second there is one; all frames would be here in 0.7 s.
    assert taken[7].captured_s - taken[0].captured_s >= 2.0


def test_a_wrong_password_is_said_and_not_repeated(serve):
    server = serve("viewer", "geheim")

    async def story(watching: Watching) -> None:
        await watching.until(lambda: watching.status.state is SourceState.DOWN)

    login = {"username": "viewer", "password": "falsch", "secrets": ("falsch",)}
    done = watch(spec_of("rtsp", server.url, **login), story)
    assert done.status.error == "HTTPUnauthorizedError: Server returned 401 Unauthorized (authorization failed)"


def test_a_server_that_goes_and_comes_back_is_read_again(serve):
    server = serve()

    async def story(watching: Watching) -> None:
        await watching.more()
        server.end()
        await watching.until(lambda: watching.status.state is SourceState.DOWN)
        server.start(server.port)
        await watching.more()
        assert watching.status.state is SourceState.UP

    done = watch(spec_of("rtsp", server.url), story)
    assert done.status.stalls == 0


def test_a_server_that_falls_silent_in_the_middle_is_found_out_and_read_again(serve):
    server = serve()

    async def story(watching: Watching) -> None:
        await watching.more()
        server.process.send_signal(signal.SIGSTOP)
        await watching.until(lambda: watching.status.stalls)
        server.process.send_signal(signal.SIGCONT)
        await watching.more()

    watch(spec_of("rtsp", server.url, stall_s=3.0), story)
