"""Pictures made to keep a decoder busy: they are given up, nobody else notices, and the service stops when it is told to."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.pictures import file_of, noisy, plume

GOOD = file_of(plume(), "JPEG")


@pytest.fixture(scope="module")
def slow() -> bytes:
    return file_of(noisy(1, 7_500, 5_000), "WEBP", method=0, quality=50)


def children(pid: int) -> set[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return {int(child) for task in tasks for child in (task / "children").read_text().split()}


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def within(seconds: float, happened) -> bool:
    until_s = time.monotonic() + seconds
    while not happened() and time.monotonic() < until_s:
        time.sleep(0.05)
    return happened()


def test_slow_pictures_are_refused_and_a_good_one_beside_them_is_answered(start, slow):
    server = start(SMOKE_DECODE_MAX_S="0.4", SMOKE_WORKERS="3", SMOKE_DRAIN_S="5")
    with server.client() as client, ThreadPoolExecutor(2) as callers:
        assert client.post("/segment", content=GOOD).status_code == 200
        refused = [callers.submit(client.post, "/segment", content=slow) for _ in range(2)]
        assert client.post("/segment", content=GOOD).status_code == 200
        for answer in refused:
            assert answer.result().status_code == 422
            assert answer.result().json()["type"] == "urn:smoke-bvm:problem:frame_too_slow"
        assert client.post("/segment", content=GOOD).status_code == 200
        assert client.get("/health/live").status_code == 200
        assert 'smoke_decoders_ended_total{reason="slow"} 2.0' in client.get("/metrics").text
    workers = children(server.process.pid)
    assert server.stop() == 0
    assert workers
    assert not any(map(alive, workers))


def test_a_service_that_is_killed_leaves_no_process_behind(start):
    server = start()
    with server.client() as client:
        assert client.post("/segment", content=GOOD).status_code == 200
    workers = children(server.process.pid)
    os.kill(server.process.pid, signal.SIGKILL)
    assert server.wait() == -signal.SIGKILL
    assert workers
    assert within(60.0, lambda: not any(map(alive, workers)))


def test_a_decoder_that_does_not_answer_shows_and_does_not_keep_the_service_from_stopping(start):
    server = start(SMOKE_STALL_S="0.5", SMOKE_DECODE_MAX_S="600", SMOKE_DRAIN_S="1")
    with server.client() as client, ThreadPoolExecutor(1) as callers:
        assert client.post("/segment", content=GOOD).status_code == 200
        for worker in children(server.process.pid):
            os.kill(worker, signal.SIGSTOP)
        hanging = callers.submit(client.post, "/segment", content=GOOD)
        assert within(60.0, lambda: client.get("/health/live").status_code == 503)
        assert "a worker has been at one picture" in client.get("/health/live").text
        server.stop()
        hanging.exception(timeout=60)
