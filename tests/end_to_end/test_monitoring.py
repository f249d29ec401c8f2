"""The service under a real Prometheus and Alertmanager, on the files that compose mounts: every query answers, an alert arrives."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
import yaml

from models.drift import Histogram
from models.gate import Gate
from tests.conftest import build_release
from tests.end_to_end.conftest import Server
from tests.end_to_end.monitoring import DOCKER, ROOT, Prometheus, Receiver, receiving, wait_for, watched
from tests.pictures import file_of, noisy, plain
from tests.ports import free_port
from tests.redis_server import redis_server

LABELLED = {"brightness": (0.0, 0.5, 1.0), "contrast": (0.0, 0.25, 1.0), "epistemic": (0.0, 0.35, 0.7)}
REFERENCE = {name: Histogram(edges, (0.5, 0.5)) for name, edges in LABELLED.items()}
GATE = Gate({"epistemic": 1.0}, 0.3)
DASHBOARD = json.loads((DOCKER / "grafana/dashboards/smoke.json").read_text())
RULES = [
    rule for group in yaml.safe_load((DOCKER / "prometheus/rules.yml").read_text())["groups"] for rule in group["rules"]
]


def scene(red: int, green: int, blue: int, seed: int) -> bytes:
    """Noise without smoke, a block of the given colour in it: red is the probability, green the doubt, blue its aleatoric share."""
    frame = noisy(seed)
    frame[..., 0] //= 4
    frame[8:20, 8:20] = (red, green, blue)
    return file_of(frame)


SCENES: dict[str, Callable[[int], bytes]] = {
    "ridge": lambda seed: scene(230, 20, 200, seed),
    "haze": lambda seed: scene(180, 250, 5, seed),
    "meadow": lambda seed: scene(10, 20, 200, seed),
    "night": lambda _: file_of(plain(3, 3, 3)),
}
"""Smoke that the model is sure of, smoke that its gate doubts and that a rule lets weigh less, none, and no light."""


@dataclass
class Watched:
    """A running service, fed by its cameras, and what watches it."""

    server: Server
    prometheus: Prometheus
    receiver: Receiver
    cameras: "Cameras"


class Cameras(threading.Thread):
    """Send a frame of each camera in turn, and now and then a damaged one, until stopped."""

    def __init__(self, url: str, key: str) -> None:
        super().__init__()
        self.scenes = dict(SCENES)
        self.sent = 0
        self._stopped = threading.Event()
        self._client = httpx2.Client(
            base_url=url, timeout=60, trust_env=False, headers={"Authorization": f"Bearer {key}"}
        )

    def run(self) -> None:
        for number in count():
            for camera, render in self.scenes.items():
                self._client.post(f"/segment?camera_id={camera}&outputs=mask", content=render(number))
                self.sent += 1
                if self._stopped.wait(0.01):
                    return
            self._client.post("/segment", content=b"\xff\xd8\xff damaged")
            self._client.post("/segment?camera_id=ridge", content=b"\xff\xd8\xff damaged")

    def stop(self) -> None:
        self._stopped.set()
        self.join()
        self._client.close()


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `docker/make-secrets` makes."""
    folder = tmp_path_factory.mktemp("deployment") / "secrets"
    environment = {"PATH": "/usr/bin:/bin", "SMOKE_SECRETS": str(folder), "PYTHONPATH": str(ROOT)}
    command = [DOCKER / "make-secrets", sys.executable, "-m", "service"]
    subprocess.run(command, env=environment, cwd=ROOT, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def under_watch(secrets: Path, receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watch")
    admin = free_port()
    with ExitStack() as ends:
        redis = ends.enter_context(redis_server(folder, ""))
        server = start(build_release(folder, gate=GATE, reference=REFERENCE), admin, secrets, receiver, redis.url)
        ends.callback(server.end)
        with watched(folder, f"127.0.0.1:{admin}", secrets / "prometheus_key", receiver.url) as prometheus:
            cameras = Cameras(server.url, (secrets / "camera_key").read_text())
            cameras.start()
            try:
                operate(server.url, admin, (secrets / "operator_key").read_text(), cameras)
                yield Watched(server, prometheus, receiver, cameras)
            finally:
                cameras.stop()


def start(release: Path, admin: int, secrets: Path, receiver: Receiver, redis: str) -> Server:
    """A service as compose starts it, with Redis; its webhook leads nowhere, and no broker is there: notifications fail."""
    rules = release.parent / "cameras.toml"
    rules.write_text((DOCKER / "cameras/cameras.toml").read_text() + "\n[camera.haze]\ndoubted = 0.25\n")
    return Server(
        release,
        SMOKE_API_KEYS_FILE=str(secrets / "api_keys.toml"),
        SMOKE_ADMIN="true",
        SMOKE_ADMIN_PORT=str(admin),
        SMOKE_ALARM_COOLDOWN_S="0",
        SMOKE_WEBHOOK_URL=f"{receiver.url}/nowhere",
        SMOKE_WEBHOOK_SECRET_FILE=str(secrets / "webhook_secret"),
        SMOKE_REDIS_URL=redis,
        SMOKE_MQTT_HOST="127.0.0.1",
        SMOKE_MQTT_PORT="9",
        SMOKE_STATE_FILE=str(release.parent / "state.json"),
        SMOKE_ALARM_DIR=str(release.parent / "alarms"),
        SMOKE_CAMERAS_FILE=str(rules),
    )


def operate(url: str, admin: int, key: str, cameras: Cameras) -> None:
    """What an operator does now and then: say of an alarm that it was one, load the model anew."""
    wait_for(lambda: cameras.sent > 20)
    with httpx2.Client(timeout=60, trust_env=False, headers={"Authorization": f"Bearer {key}"}) as client:
        judged = client.post(f"{url}/cameras/ridge/feedback", json={"verdict": "true_alarm"})
        reloaded = client.post(f"http://127.0.0.1:{admin}/admin/reload")
    assert (judged.is_success, reloaded.is_success) == (True, True), (judged.text, reloaded.text)


def expressions() -> list[tuple[str, str]]:
    """Every expression of the dashboard, by its panel's title."""
    found = [(panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]
    return [*found, *((note["name"], note["expr"]) for note in DASHBOARD["annotations"]["list"])]


def filled(expression: str) -> str:
    """As Grafana sends it, with all cameras chosen."""
    chosen = {"$camera": ".*", "$__rate_interval": "1m", "$__range": "1h"}
    for variable, value in chosen.items():
        expression = expression.replace(variable, value)
    assert "$" not in expression
    return expression


def left_hand_side(expression: str) -> str:
    """With `bool` a comparison drops no series: what remains is empty only if there was nothing to compare."""
    return re.sub(r"(?<=\s)(==|!=|>=|<=|>|<) (?!bool)", r"\1 bool ", expression)


def test_the_service_is_scraped_with_the_key_for_metrics(under_watch):
    wait_for(lambda: under_watch.prometheus.query('up{job="smoke"} == 1'))
    targets = under_watch.prometheus.get("/api/v1/targets?state=active")["activeTargets"]
    assert {target["labels"]["job"] for target in targets} == {"smoke", "watch", "prometheus", "alertmanager"}


def test_without_the_key_there_are_no_metrics(under_watch):
    (target,) = [
        target
        for target in under_watch.prometheus.get("/api/v1/targets?state=active")["activeTargets"]
        if target["labels"]["job"] == "smoke"
    ]
    assert httpx2.get(target["scrapeUrl"], trust_env=False).status_code == 401


def test_smoke_on_a_camera_arrives_as_an_alert_and_is_taken_back_when_it_is_gone(under_watch):
    alert = under_watch.receiver.wait_for("SmokeAlarm", "firing", camera="ridge")
    assert alert["annotations"]["summary"] == "Smoke on camera ridge"
    assert under_watch.receiver.wait_for("SmokeReview", "firing")["labels"]["camera"] == "haze"
    under_watch.cameras.scenes = {**SCENES, "ridge": SCENES["meadow"]}
    resolved = under_watch.receiver.wait_for("SmokeAlarm", "resolved", camera="ridge")
    assert resolved["startsAt"] == alert["startsAt"]
    assert resolved["endsAt"] > resolved["startsAt"]
    under_watch.cameras.scenes = dict(SCENES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("alert") or rule["record"])
def test_every_rule_has_something_to_look_at(under_watch, rule):
    expression = rule["expr"] if "record" in rule else left_hand_side(rule["expr"])
    patience_s = 150.0  # Drift wants sixty frames of a camera.
    assert wait_for(lambda: under_watch.prometheus.query(expression), patience_s)


@pytest.mark.parametrize(("title", "expression"), expressions())
def test_every_query_of_the_dashboard_has_an_answer(under_watch, title, expression):
    answer = wait_for(lambda: under_watch.prometheus.query(filled(expression)))
    assert all(sample["value"][1] != "NaN" for sample in answer), title


def test_every_rule_was_evaluated_without_a_complaint(under_watch):
    groups = under_watch.prometheus.get("/api/v1/rules")["groups"]
    evaluated = [rule for group in groups for rule in group["rules"]]
    assert len(evaluated) == len(RULES)
    assert [(rule["name"], rule["lastError"]) for rule in evaluated if rule["health"] != "ok"] == []


def test_a_service_that_is_gone_is_told_and_says_nothing_of_its_cameras(under_watch):
    under_watch.cameras.stop()
    under_watch.server.process.kill()
    alert = under_watch.receiver.wait_for("SmokeServiceDown", "firing")
    address = urlsplit(f"//{alert['labels']['instance']}")
    assert address.hostname == "127.0.0.1"
    assert under_watch.prometheus.query('ALERTS{alertname="SmokeAlarm", camera="ridge", alertstate="firing"}')
