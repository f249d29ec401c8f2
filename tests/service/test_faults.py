"""A fault reaches the right caller, nobody else, and is counted."""

import asyncio
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.api.metrics import Metrics
from service.runtime.model import ModelInfo
from tests.pictures import file_of, plume

BODY = file_of(plume())


def counts(client) -> dict[str, float]:
    """Each sample of the counters of requests, by name and labels."""
    lines = re.findall(r"^(smoke_requests_\S*(?:\{.*\})?) (\S+)$", client.get("/metrics").text, re.MULTILINE)
    return {name: float(value) for name, value in lines if "_created" not in name}


def post(client, body=BODY):
    return client.post("/segment", content=body)


def test_a_model_that_raises_costs_its_caller_the_answer_and_nobody_else(open_client, obedient, caplog):
    client = open_client(obedient)
    obedient.failure = RuntimeError("CUDA error 700 at /srv/secret/path")
    failed = post(client)
    obedient.failure = None
    assert failed.status_code == 500
    assert failed.json()["type"] == "urn:smoke-bvm:problem:inference_failed"
    assert "CUDA" not in failed.text
    assert "CUDA error 700" in caplog.text
    assert post(client).status_code == 200


def test_an_unexpected_failure_is_a_problem_without_a_trace(open_client, obedient, monkeypatch, caplog):
    def stumble(*_):
        raise KeyError("/srv/secret/path")

    client = open_client(obedient)
    monkeypatch.setattr("service.pipeline.pipeline.detect_smoke", stumble)
    answer = post(client)
    assert answer.status_code == 500
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "secret" not in answer.text
    assert "secret" in caplog.text


def test_when_every_place_is_taken_the_next_is_told_to_come_back(open_client, obedient):
    client = open_client(obedient, requests_max=2)
    obedient.free.clear()
    with ThreadPoolExecutor(2) as callers:
        inside = [callers.submit(post, client) for _ in range(2)]
        obedient.entered.acquire(timeout=60)
        wait_until(lambda: counts(client)["smoke_requests_in_flight"] == 2)
        refused = post(client)
        obedient.free.set()
        assert [answer.result().status_code for answer in inside] == [200, 200]
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) >= 1
    assert post(client).status_code == 200


def test_a_full_queue_is_told_apart_from_a_full_house(open_client, obedient):
    client = open_client(obedient, queue_max=1)
    obedient.free.clear()
    with ThreadPoolExecutor(2) as callers:
        running = callers.submit(post, client)
        obedient.entered.acquire(timeout=60)
        waiting = callers.submit(post, client)
        wait_until(lambda: "smoke_queue_frames 1.0" in client.get("/metrics").text)
        refused = post(client)
        obedient.free.set()
        assert (running.result().status_code, waiting.result().status_code) == (200, 200)
    assert refused.status_code == 429
    assert "frames waiting" in refused.json()["detail"]


def test_a_caller_who_hangs_up_in_the_queue_costs_no_inference(open_client, obedient):
    client = open_client(obedient)
    obedient.free.clear()
    with ThreadPoolExecutor(1) as callers:
        stays = callers.submit(post, client)
        obedient.entered.acquire(timeout=60)
        sent = client.portal.call(hang_up_once_queued, client)
        obedient.free.set()
        assert stays.result().status_code == 200
    assert sent[0]["status"] == 499
    assert obedient.frames == 1
    wait_until(lambda: 'smoke_frames_skipped_total{reason="client_gone"} 1.0' in client.get("/metrics").text)
    assert counts(client)['smoke_requests_total{outcome="abandoned",reason="client_gone"}'] == 1


async def hang_up_once_queued(client) -> list[dict]:
    """Post a frame as a server would pass it on, and report the caller gone once the frame waits for the model."""
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/segment",
        "raw_path": b"/segment",
        "query_string": b"",
        "headers": [],
    }
    messages, sent = [{"type": "http.request", "body": BODY, "more_body": False}], []

    async def receive():
        if messages:
            return messages.pop()
        await asyncio.to_thread(wait_until, lambda: client.app.state.app_state.pipeline.queue_depth == 1)
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    await client.app(scope, receive, send)
    return sent


def test_a_bad_frame_never_reaches_the_model(open_client, obedient):
    client = open_client(obedient)
    assert post(client, BODY[:-20]).status_code == 422
    assert obedient.frames == 0


def test_alarms_that_cannot_be_sent_ask_for_a_restart_and_every_background_task_counts_from_zero(client, monkeypatch):
    metrics = client.get("/metrics").text
    for task in ("evict cameras", "read cameras file", "write state file", "watch event loop"):
        assert f'smoke_background_failures_total{{task="{task}"}} 0.0' in metrics
    monkeypatch.setattr("service.runtime.supervision.Supervisor.failing", "send by webhook")
    live = client.get("/health/live")
    assert (live.status_code, "'send by webhook' fails again" in live.json()["status"]) == (503, True)


def test_a_draining_service_is_alive_but_not_ready_and_takes_nothing(client):
    client.app.state.app_state.admission.drain()
    refused = post(client)
    assert refused.status_code == 503
    assert "Retry-After" in refused.headers
    assert client.get("/health/live").status_code == 200
    assert client.get("/health/startup").status_code == 200
    ready = client.get("/health/ready")
    assert (ready.status_code, ready.json()) == (503, {"status": "draining"})
    assert "smoke_ready 0.0" in client.get("/metrics").text


def test_a_request_inside_when_the_draining_starts_is_answered(open_client, obedient):
    client = open_client(obedient)
    obedient.free.clear()
    with ThreadPoolExecutor(1) as callers:
        inside = callers.submit(post, client)
        obedient.entered.acquire(timeout=60)
        client.app.state.app_state.admission.drain()
        obedient.free.set()
        assert inside.result().status_code == 200


def test_a_runner_that_died_is_said_by_every_probe_it_concerns(open_client, obedient, monkeypatch):
    client = open_client(obedient)
    monkeypatch.setattr("service.scheduling.batcher.Batcher.alive", False)
    assert client.get("/health/live").status_code == 503
    assert client.get("/health/ready").status_code == 503
    assert client.get("/health/startup").status_code == 200


def test_the_outcomes_add_up_to_the_requests(open_client, obedient):
    client = open_client(obedient, body_max_bytes=4096)
    for body in (BODY, BODY, b"", b"text", BODY[:-20], bytes(5000)):
        post(client, body)
    client.get("/segment")
    client.post("/segment?outputs=x", content=BODY)
    obedient.failure = RuntimeError()
    post(client)
    found = counts(client)
    assert found.pop("smoke_requests_received_total") == 9
    assert found.pop("smoke_requests_in_flight") == 0
    assert found == {
        'smoke_requests_total{outcome="answered",reason="ok"}': 2,
        'smoke_requests_total{outcome="refused",reason="body_empty"}': 1,
        'smoke_requests_total{outcome="refused",reason="format_unsupported"}': 1,
        'smoke_requests_total{outcome="refused",reason="frame_broken"}': 1,
        'smoke_requests_total{outcome="refused",reason="body_too_large"}': 1,
        'smoke_requests_total{outcome="refused",reason="method_not_allowed"}': 1,
        'smoke_requests_total{outcome="refused",reason="parameter_invalid"}': 1,
        'smoke_requests_total{outcome="failed",reason="inference_failed"}': 1,
    }


def test_a_request_that_has_no_route_is_told_what_has(client):
    wrong, unknown = client.get("/segment"), client.post("/segmnt")
    assert (wrong.status_code, wrong.json()["detail"]) == (405, "found GET /segment, expected POST")
    assert (unknown.status_code, unknown.json()["title"]) == (404, "Not Found")
    assert unknown.json()["detail"] == "found no route for POST /segmnt, expected one of those under /docs"


def test_only_answered_frames_are_timed(open_client, obedient):
    client = open_client(obedient)
    post(client)
    post(client, b"text")
    text = client.get("/metrics").text
    for stage in ("read", "decode", "queue", "inference", "encode", "total"):
        assert f'smoke_stage_seconds_count{{stage="{stage}"}} 1.0' in text


def test_the_buckets_double_from_one_millisecond():
    metrics = Metrics(ModelInfo("name", "0.0.1", "0", "cpu", "fp32"))
    metrics.observe_stages({"total": 0.003})
    buckets = dict(re.findall(r'stage_seconds_bucket\{le="(.+?)",stage="total"\} (\S+)', metrics.render().decode()))
    assert list(buckets)[:5] == ["0.001", "0.002", "0.004", "0.008", "0.016"]
    assert (buckets["0.002"], buckets["0.004"], buckets["+Inf"]) == ("0.0", "1.0", "1.0")


def wait_until(holds, tries: int = 6000) -> None:
    pause = threading.Event()
    for _ in range(tries):
        if holds():
            return
        pause.wait(0.01)
    pytest.fail("waited in vain")
