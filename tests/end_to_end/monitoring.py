"""Prometheus and Alertmanager as real processes on the files that compose mounts, with other addresses and less patience."""

import json
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import httpx2

from service.sources.metrics import metrics_server
from service.sources.spec import CameraFrame, SourceSpec
from service.sources.watched import FrameOutcome, WatchedSource
from tests.ports import free_port
from tests.tools import program

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
T = TypeVar("T")


def wait_for(look: Callable[[], T], timeout_s: float = 180.0) -> T:
    """What `look` finds, once it finds something."""
    end_s = time.monotonic() + timeout_s
    while not (found := look()):
        assert time.monotonic() < end_s, "waited in vain"
        time.sleep(0.2)
    return found


class Receiver(ThreadingHTTPServer):
    """Takes what Alertmanager sends to `url` and keeps it. Other addresses answer 404."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Take)
        self.alerts: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/alerts"

    def wait_for(self, name: str, status: str, **labels: str) -> dict[str, Any]:
        """The first alert of this name that came in this state."""
        expected = {"alertname": name, **labels}.items()

        def find() -> dict[str, Any] | None:
            fitting = (alert for alert in self.alerts if alert["status"] == status)
            return next((alert for alert in fitting if expected <= alert["labels"].items()), None)

        found = wait_for(find)
        assert found
        return found


class _Take(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert isinstance(self.server, Receiver)
        known = self.path == "/alerts"
        if known:
            self.server.alerts.extend(sent["alerts"])
        self.send_response(200 if known else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


class Prometheus:
    """Its HTTP interface."""

    def __init__(self, url: str) -> None:
        self._client = httpx2.Client(base_url=url, timeout=60, trust_env=False)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """An instant query's result; an invalid one raises."""
        answer = self._client.post("/api/v1/query", data={"query": expression}).json()
        assert answer["status"] == "success", f"{expression}: {answer}"
        return list(answer["data"]["result"])

    def range(self, expression: str, seconds: float, step_s: float = 1.0) -> list[dict[str, Any]]:
        end_s = time.time()
        asked = {"query": expression, "start": end_s - seconds, "end": end_s, "step": step_s}
        answer = self._client.post("/api/v1/query_range", data=asked).json()
        assert answer["status"] == "success", f"{expression}: {answer}"
        return list(answer["data"]["result"])

    def get(self, path: str) -> Any:
        return self._client.get(path).json()["data"]

    def ready(self) -> bool:
        try:
            return self._client.get("/-/ready").status_code == 200
        except httpx2.TransportError:
            return False

    def close(self) -> None:
        self._client.close()


def impatient(text: str) -> str:
    """The same configuration or rules with every wait cut to a second; what is looked back on stays."""
    waits = r"^(\s+(?:- )?(?:for|scrape_interval|evaluation_interval|group_wait|group_interval)): \w+$"
    return re.sub(waits, r"\1: 1s", text, flags=re.MULTILINE)


async def no_frame(_: CameraFrame) -> FrameOutcome:
    raise AssertionError("found a frame, expected a source that nobody reads")


@contextmanager
def watched(folder: Path, service: str, metrics_key: Path, receiver: str) -> Iterator[Prometheus]:
    """Prometheus, scraping `service` (host:port) and a source, with Alertmanager behind it, which sends to the address `receiver`."""
    addresses = {"alertmanager": f"127.0.0.1:{free_port()}", "prometheus": f"127.0.0.1:{free_port()}"}
    with ExitStack() as stack:
        source = WatchedSource(SourceSpec("ridge", "", "rtsp", "rtsp://ridge/", 60.0, 30.0), no_frame)
        addresses["watch"] = f"127.0.0.1:{stack.enter_context(metrics_server([source], None, '127.0.0.1', 0))}"
        (folder / "alertmanager.yml").write_text(alertmanager_copy(receiver))
        (folder / "rules.yml").write_text(impatient((DOCKER / "prometheus/rules.yml").read_text()))
        copy = prometheus_copy(folder, service, addresses, metrics_key)
        (folder / "prometheus.yml").write_text(copy)
        for name, command in _commands(folder, addresses).items():
            stack.enter_context(_running(command, folder / f"{name}.log"))
        prometheus = Prometheus(f"http://{addresses['prometheus']}")
        stack.callback(prometheus.close)
        wait_for(prometheus.ready)
        yield prometheus


@contextmanager
def prometheus_alone(folder: Path, configuration: str) -> Iterator[Prometheus]:
    """Prometheus with this configuration, and less patience."""
    address = f"127.0.0.1:{free_port()}"
    (folder / "prometheus.yml").write_text(f"global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n{configuration}")
    command = _commands(folder, {"alertmanager": "", "prometheus": address})["prometheus"]
    with _running(command, folder / "prometheus.log"):
        prometheus = Prometheus(f"http://{address}")
        wait_for(prometheus.ready)
        try:
            yield prometheus
        finally:
            prometheus.close()


def alertmanager_copy(url: str) -> str:
    """Debian's Alertmanager is 0.25 and knows no `url_file`."""
    text = impatient((DOCKER / "alertmanager/alertmanager.yml").read_text())
    return text.replace("url_file: /run/secrets/alert_webhook_url", f"url: {url}")


def slack_copy(hook_file: Path) -> str:
    """The configuration as its comments say for Slack, with the address in `hook_file`."""
    text = impatient((DOCKER / "alertmanager/alertmanager.yml").read_text())
    text = re.sub(r"^    webhook_configs:\n(?:      .*\n)+", "", text, flags=re.MULTILINE)
    text = re.sub(r"^    #(slack_configs:|  .*)$", r"    \1", text, flags=re.MULTILINE)
    assert text.count("slack_configs:") == 2
    return text.replace("/run/secrets/alert_webhook_url", str(hook_file))


def dead_mans_switch_copy(url: str, switch: str) -> str:
    """The configuration as its comments say for a dead man's switch at the address `switch`."""
    before, _ = alertmanager_copy(url).split("  - name: watchdog\n")
    text = re.sub(r"^  #(- name: watchdog|  .*)$", r"  \1", before, flags=re.MULTILINE)
    assert "https://dead-mans-switch.example/ADDRESS" in text
    return text.replace("https://dead-mans-switch.example/ADDRESS", switch)


def prometheus_copy(folder: Path, service: str, addresses: dict[str, str], metrics_key: Path) -> str:
    changes = {
        "/etc/prometheus/rules.yml": str(folder / "rules.yml"),
        "/run/secrets/prometheus_key": str(metrics_key),
        "smoke:9000": service,
        "watch:9100": addresses["watch"],
        "alertmanager:9093": addresses["alertmanager"],
        "localhost:9090": addresses["prometheus"],
    }
    text = impatient((DOCKER / "prometheus/prometheus.yml").read_text())
    for there, here in changes.items():
        assert there in text
        text = text.replace(there, here)
    return text


@contextmanager
def alertmanager(folder: Path, configuration: str) -> Iterator[str]:
    """Alertmanager with this configuration; its address."""
    address = f"127.0.0.1:{free_port()}"
    (folder / "alertmanager.yml").write_text(configuration)
    command = _commands(folder, {"alertmanager": address, "prometheus": ""})["alertmanager"]
    with _running(command, folder / "alertmanager.log"):
        wait_for(lambda: _answers(f"http://{address}/-/ready"))
        yield f"http://{address}"


def _answers(url: str) -> bool:
    try:
        return httpx2.get(url, trust_env=False).status_code == 200
    except httpx2.TransportError:
        return False


def _commands(folder: Path, addresses: dict[str, str]) -> dict[str, list[str]]:
    return {
        "alertmanager": [
            program("prometheus-alertmanager", "Debian's package prometheus-alertmanager"),
            f"--config.file={folder}/alertmanager.yml",
            f"--storage.path={folder}/alertmanager",
            f"--web.listen-address={addresses['alertmanager']}",
            "--cluster.listen-address=",
        ],
        "prometheus": [
            program("prometheus", "Debian's package prometheus"),
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/prometheus",
            f"--web.listen-address={addresses['prometheus']}",
        ],
    }


@contextmanager
def _running(command: list[str], log: Path) -> Iterator[None]:
    with log.open("w") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream)
        try:
            yield
        finally:
            process.terminate()
            process.wait(60)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver that listens."""
    receiver = Receiver()
    thread = threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield receiver
    finally:
        receiver.shutdown()
        thread.join()
        receiver.server_close()
