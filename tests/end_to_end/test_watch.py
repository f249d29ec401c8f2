"""`smoke-bvm watch` in a real process: smoke in, an alarm out; told to stop or killed, it leaves nothing behind."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.pictures import file_of, plain, plume
from tests.service.sources.camera_server import Camera, serving
from tests.service.sources.processes import lives, processes_of

PATIENCE_S = 90.0
SMOKE, CALM = file_of(plume()), file_of(plain(26, 51, 128, 64, 48))
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc says which processes there are")


class Watch:
    """The command, and what it wrote into two files."""

    def __init__(self, folder: Path, text: str, *options: str, **variables: str) -> None:
        (folder / "cameras.toml").write_text(text)
        self.out, self.log = folder / "out", folder / "log"
        command = [sys.executable, "-m", "service", "watch", str(folder / "cameras.toml"), *options]
        with self.out.open("wb") as out, self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=out, stderr=log, env={**os.environ, **variables})

    @property
    def alarms(self) -> list[dict]:
        return [json.loads(line) for line in self.out.read_text().splitlines()]

    @property
    def lines(self) -> list[dict]:
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.endswith("}")]

    def says(self, message: str) -> dict:
        """The first line of the log with a message, once it is there."""
        self.until(lambda: any(line["message"] == message for line in self.lines))
        return next(line for line in self.lines if line["message"] == message)

    def until(self, condition: Callable[[], object]) -> None:
        end_s = time.perf_counter() + PATIENCE_S
        while not condition():
            assert time.perf_counter() < end_s, self.log.read_text()
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)

    def metrics(self) -> str:
        port = self.says("watching")["metrics_port"]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
            return answer.read().decode()


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Callable[..., Watch]]:
    started: list[Watch] = []

    def start(*arguments: str, **variables: str) -> Watch:
        started.append(Watch(tmp_path, *arguments, **variables))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()


def fill(folder: Path, pictures: list[bytes], watching: Watch) -> None:
    """Let a folder grow, a picture at a time, as fast as they are answered."""
    for number, picture in enumerate(pictures, 1):
        (folder / f"{number}.png").write_bytes(picture)
        watching.until(
            lambda seen=number: f'smoke_camera_frames_total{{camera="ridge"}} {seen}.0' in watching.metrics()
        )


def test_smoke_in_a_folder_becomes_a_json_line_and_a_stop_leaves_nothing_behind(watch, release, tmp_path):
    folder = tmp_path / "ridge"
    folder.mkdir()
    text = f'[default]\ninterval_s = 0.1\n[camera.ridge]\nkind = "folder"\npath = "{folder}"\n'
    alarms = tmp_path / "alarms"
    watching = watch(text, "--model-dir", str(release), "--metrics-port", "0", SMOKE_ALARM_DIR=str(alarms))
    fill(folder, [CALM, SMOKE, SMOKE, SMOKE], watching)
    watching.until(lambda: watching.alarms)
    (alarm,) = watching.alarms
    assert (alarm["camera_id"], alarm["before"], alarm["after"]) == ("ridge", "suspected", "alarm")
    assert alarm["regions"][0]["bbox"] == {"x": 16, "y": 0, "width": 16, "height": 48}
    metrics = watching.metrics()
    assert 'smoke_source_up{camera="ridge",view=""} 1.0' in metrics
    assert 'smoke_camera_alarm_state{camera="ridge",state="alarm"} 1.0' in metrics
    (reading,) = processes_of(watching.process.pid)
    watching.process.send_signal(signal.SIGTERM)
    assert watching.process.wait(60) == 0
    assert not lives(reading)
    assert watching.lines[-1]["message"] == "stopped"
    assert list(alarms.rglob("*overlay.jpg"))


def test_a_watch_that_is_killed_leaves_no_process_behind(watch, release, tmp_path):
    (tmp_path / "ridge").mkdir()
    text = f'[camera.ridge]\nkind = "folder"\npath = "{tmp_path}/ridge"\n[camera.b]\nkind = "folder"\npath = "{tmp_path}/ridge"\n'
    watching = watch(text, "--model-dir", str(release))
    watching.until(lambda: len(processes_of(watching.process.pid)) == 2)
    reading = processes_of(watching.process.pid)
    watching.process.kill()
    watching.process.wait()
    end_s = time.perf_counter() + PATIENCE_S
    while any(map(lives, reading)):
        assert time.perf_counter() < end_s
        time.sleep(0.05)


def test_a_server_answers_where_one_is_named_and_no_secret_is_told(watch, start, tmp_path):
    keys = tmp_path / "keys.toml"
    made = subprocess.run(
        [sys.executable, "-m", "service", "key", "watch"], capture_output=True, text=True, check=True, timeout=60
    )
    keys.write_text(made.stdout)
    key = made.stderr.splitlines()[0]
    server = start(SMOKE_API_KEYS_FILE=str(keys))
    with serving(Camera(SMOKE, "digest", password="geheim/1")) as camera:
        text = f"""
            [default]
            interval_s = 0.5
            username = "viewer"
            password = "${{RIDGE}}"
            [camera.ridge]
            kind = "snapshot"
            url = "{camera.url()}?token=${{TOKEN}}"
            [camera.wrong]
            kind = "snapshot"
            url = "http://127.0.0.1:1/now.jpg?token=${{TOKEN}}"
            """
        secrets = {"RIDGE": "geheim/1", "TOKEN": "t0ken", "SMOKE_API_KEY": key}
        watching = watch(text, "--server", server.url, "--metrics-port", "0", **secrets)
        watching.until(lambda: watching.alarms)
        watching.says("source down")
        said = watching.out.read_text() + watching.log.read_text() + watching.metrics()
        said += "".join(processes_of(watching.process.pid).values())
    assert camera.authorizations[-1].startswith("Digest ")
    assert camera.asked[-1] == "/now.jpg?token=t0ken"
    for secret in ("geheim", "t0ken", key):
        assert secret not in said
    with server.client() as client:
        ridge = client.get("/cameras/ridge", headers={"Authorization": f"Bearer {key}"}).json()
    assert ridge["alarm"]["state"] == "alarm"


def test_a_terminal_shows_a_table(release, tmp_path):
    (tmp_path / "cameras.toml").write_text('[camera.ridge]\nkind = "folder"\npath = "/nowhere/at/all"\n')
    command = [sys.executable, "-m", "service", "watch", str(tmp_path / "cameras.toml"), "--model-dir", str(release)]
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": "160", "TERM": "xterm"}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs, env=environment) as process:
        os.close(theirs)
        shown = ""
        try:
            end_s = time.perf_counter() + PATIENCE_S
            while "found no folder" not in shown:
                assert time.perf_counter() < end_s, shown
                shown += os.read(ours, 4096).decode(errors="replace")
            process.send_signal(signal.SIGINT)
            with suppress(OSError):  # The last one has left.
                while os.read(ours, 4096):
                    pass
            assert process.wait(60) == 0
        finally:
            process.kill()
            os.close(ours)
    for words in ("camera", "last frame", "reconnects", "ridge", "folder /nowhere/at/all", "down"):
        assert words in shown
