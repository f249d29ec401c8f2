"""The model is changed while a real server runs: no request fails, no answer mixes two models."""

import shutil
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from models.manifest import newest_release
from tests.conftest import build_release
from tests.end_to_end.test_serve import wait_until
from tests.pictures import file_of, plain

BODY = file_of(plain(204, 0, 0))
"""Probability 0.8: smoke for the release with threshold 0.5, none for the one with 0.9."""
SMOKE = {"0.0.1": True, "0.0.2": False}


@pytest.fixture
def current(release: Path, tmp_path: Path) -> Path:
    """A link to the release in service; `point(current, other)` moves it."""
    link = tmp_path / "current"
    link.symlink_to(release)
    return link


@pytest.fixture
def stricter(tmp_path: Path) -> Path:
    return build_release(tmp_path, version="0.0.2", threshold=0.9)


def point(link: Path, release: Path) -> None:
    link.unlink()
    link.symlink_to(release)


def said(server, message: str) -> list[dict]:
    return [line for line in server.log if line["message"] == message]


def test_a_hangup_signal_swaps_the_model_between_frames(start, current, stricter):
    server, stop, answers = start(current), threading.Event(), []

    def ask() -> None:
        with server.client() as client:
            while not stop.is_set():
                answer = client.post("/segment?outputs=", content=BODY)
                reply = answer.json()
                answers.append((answer.status_code, reply["model"]["version"], reply["smoke"]["detected"]))

    assert server.url
    with ThreadPoolExecutor(4) as callers:
        asked = [callers.submit(ask) for _ in range(4)]
        try:
            wait_until(lambda: len(answers) > 8)
            point(current, stricter)
            server.process.send_signal(signal.SIGHUP)
            wait_until(lambda: said(server, "model changed"))
            count = len(answers)
            wait_until(lambda: len(answers) > count + 8)
        finally:
            stop.set()
        assert [caller.result() for caller in asked] == [None] * 4
    assert {(status, version) for status, version, _ in answers} == {(200, "0.0.1"), (200, "0.0.2")}
    assert all(SMOKE[version] == detected for _, version, detected in answers)
    with server.client() as client:
        assert client.get("/model").json()["version"] == "0.0.2"
        metrics = client.get("/metrics").text
    assert 'smoke_reloads_total{result="swapped"} 1.0' in metrics
    assert 'version="0.0.2"' in metrics
    assert server.stop() == 0


def test_a_broken_release_is_refused_in_words_and_the_old_one_serves_on(start, current, tmp_path):
    server = start(current)
    assert server.url
    broken = Path(shutil.copytree(current.resolve(), tmp_path / "broken"))
    (broken / "model.onnx").write_bytes(b"tampered")
    point(current, broken)
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: said(server, "not reloaded"))
    assert "model.onnx: found" in said(server, "not reloaded")[0]["detail"]
    with server.client() as client:
        assert client.post("/segment?outputs=", content=BODY).json()["model"]["version"] == "0.0.1"
        assert 'smoke_reloads_total{result="refused"} 1.0' in client.get("/metrics").text
    assert server.process.poll() is None


def test_a_server_that_is_told_to_stop_while_it_loads_ends_in_order(start):
    server = start(newest_release())
    assert server.url
    server.process.send_signal(signal.SIGHUP)
    time.sleep(0.2)
    assert server.stop() == 0


def test_a_storm_of_hangup_signals_leaves_a_server_that_answers_and_ends(start):
    server = start(newest_release())
    assert server.url
    for _ in range(300):
        server.process.send_signal(signal.SIGHUP)
        time.sleep(0.002)
    with server.client() as client:
        assert client.get("/model").status_code == 200
    assert server.stop() == 0
