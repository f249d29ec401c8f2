"""Alertmanager on the configuration that compose mounts, and on what its comments offer, against receivers that read what they get."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.end_to_end.monitoring import alertmanager, alertmanager_copy, dead_mans_switch_copy, slack_copy, wait_for

SMOKE = {"alertname": "SmokeAlarm", "severity": "critical", "about": "smoke", "camera": "ridge"}
ANNOTATIONS = {"summary": "Smoke on camera ridge", "description": "Look at the camera."}


def is_slack(body: dict[str, Any]) -> bool:
    """Whether Slack's incoming webhooks take it: a text, or attachments with one; nothing of Alertmanager's own."""
    texts = [body, *body.get("attachments", [])]
    return any(isinstance(each.get("text"), str) and each["text"] for each in texts) and "alerts" not in body


def is_alertmanager(body: dict[str, Any]) -> bool:
    """Whether it is what Alertmanager documents for its webhook, version 4."""
    fields = {"version", "groupKey", "status", "receiver", "groupLabels", "commonLabels", "commonAnnotations", "alerts"}
    return fields <= body.keys() and body["version"] == "4" and all("startsAt" in each for each in body["alerts"])


class Receiver(ThreadingHTTPServer):
    """Takes what it understands and keeps it; answers the rest as Slack does, with 400 and `invalid_payload`."""

    def __init__(self, understands: Callable[[dict[str, Any]], bool]) -> None:
        super().__init__(("127.0.0.1", 0), _Take)
        self.understands = understands
        self.taken: list[dict[str, Any]] = []
        self.refused = 0
        self.url = f"http://127.0.0.1:{self.server_address[1]}/services/T0/B0/secret"
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def end(self) -> None:
        self.shutdown()
        self.thread.join()
        self.server_close()


class _Take(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Receiver)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        understood = self.headers["Content-Type"] == "application/json" and self.server.understands(body)
        if understood:
            self.server.taken.append(body)
        else:
            self.server.refused += 1
        self.send_response(200 if understood else 400)
        self.end_headers()
        self.wfile.write(b"ok" if understood else b"invalid_payload")

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def slack() -> Iterator[Receiver]:
    receiver = Receiver(is_slack)
    yield receiver
    receiver.end()


@pytest.fixture
def program() -> Iterator[Receiver]:
    receiver = Receiver(is_alertmanager)
    yield receiver
    receiver.end()


def tell(address: str, labels: dict[str, str], *, over: bool = False) -> None:
    """What Prometheus posts of an alert."""
    now = datetime.now(UTC)
    ends = now - timedelta(seconds=1) if over else now + timedelta(minutes=5)
    alert = {
        "labels": labels,
        "annotations": ANNOTATIONS,
        "startsAt": (now - timedelta(minutes=1)).isoformat(),
        "endsAt": ends.isoformat(),
    }
    httpx2.post(f"{address}/api/v2/alerts", json=[alert], trust_env=False).raise_for_status()


def failed(address: str, integration: str) -> float:
    """Notifications that did not arrive."""
    lines = httpx2.get(f"{address}/metrics", trust_env=False).text.splitlines()
    start = f'alertmanager_notifications_failed_total{{integration="{integration}"'
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(start))


def test_a_program_gets_smoke_and_its_end_as_alertmanagers_own_json(tmp_path, program):
    with alertmanager(tmp_path, alertmanager_copy(program.url)) as address:
        tell(address, SMOKE)
        wait_for(lambda: program.taken)
        tell(address, SMOKE, over=True)
        wait_for(lambda: len(program.taken) > 1)
        assert failed(address, "webhook") == 0
    first, *_, last = program.taken
    assert (first["receiver"], first["status"], last["status"]) == ("operator", "firing", "resolved")
    assert first["alerts"][0]["labels"] == SMOKE
    assert first["commonAnnotations"] == ANNOTATIONS


def test_slack_gets_messages_that_it_understands_and_that_say_what_happened(tmp_path: Path, slack: Receiver):
    (tmp_path / "hook").write_text(slack.url)
    with alertmanager(tmp_path, slack_copy(tmp_path / "hook")) as address:
        tell(address, SMOKE)
        (message,) = wait_for(lambda: slack.taken)[0]["attachments"]
        assert message["title"] == "CRITICAL: SmokeAlarm"
        assert message["text"].strip() == "*Smoke on camera ridge*\nLook at the camera."
        tell(address, SMOKE, over=True)
        wait_for(lambda: len(slack.taken) > 1)
        assert slack.taken[-1]["attachments"][0]["title"] == "OVER: SmokeAlarm"
        tell(address, {"alertname": "Watchdog", "severity": "none", "about": "service"})
        wait_for(lambda: len(slack.taken) > 2)
        assert slack.taken[-1]["attachments"][0]["title"] == "The smoke alarms are being watched"
        assert (slack.refused, failed(address, "slack")) == (0, 0)


def test_a_chat_hook_where_a_programs_address_belongs_is_counted_as_what_the_alert_on_it_looks_at(tmp_path, slack):
    with alertmanager(tmp_path, alertmanager_copy(slack.url)) as address:
        tell(address, SMOKE)
        wait_for(lambda: failed(address, "webhook") > 0)
    assert (slack.taken, slack.refused > 0) == ([], True)


def test_the_sign_of_life_goes_where_a_dead_mans_switch_waits_for_it_and_nowhere_else(tmp_path, program):
    switch = Receiver(is_alertmanager)
    try:
        with alertmanager(tmp_path, dead_mans_switch_copy(program.url, switch.url)) as address:
            tell(address, {"alertname": "Watchdog", "severity": "none", "about": "service"})
            wait_for(lambda: switch.taken)
            tell(address, SMOKE)
            wait_for(lambda: program.taken)
            time.sleep(1)
    finally:
        switch.end()
    assert {body["receiver"] for body in switch.taken} == {"watchdog"}
    assert {body["receiver"] for body in program.taken} == {"operator"}
