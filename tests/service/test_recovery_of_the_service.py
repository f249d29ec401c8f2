"""A model that fails while the service runs: who hears of it, what the probes say, what is counted."""

from concurrent.futures import ThreadPoolExecutor

from service.runtime.backoff import Backoff
from tests.service.test_faults import BODY, counts, post, wait_until


def test_only_the_caller_of_the_failing_batch_gets_the_error(open_client, obedient):
    client = open_client(obedient)
    obedient.free.clear()
    with ThreadPoolExecutor(4) as callers:
        unlucky = callers.submit(post, client)
        assert obedient.entered.acquire(timeout=60)
        others = [callers.submit(post, client) for _ in range(3)]
        wait_until(lambda: client.app.state.app_state.pipeline.queue_depth == 3)
        obedient.fail_once(RuntimeError("CUDA error 700"))
        obedient.free.set()
        failed = unlucky.result()
        assert [other.result().status_code for other in others] == [200, 200, 200]
    assert failed.status_code == 500
    assert failed.json()["request_id"] == failed.headers["X-Request-ID"]
    wait_until(lambda: 'smoke_session_rebuilds_total{result="rebuilt"} 1.0' in client.get("/metrics").text)
    assert client.get("/health/ready").status_code == 200


def test_while_a_model_is_rebuilt_the_service_is_live_but_not_ready(open_client, obedient, monkeypatch):
    monkeypatch.setattr(Backoff, "after", lambda *_: 0.01)
    client = open_client(obedient, failures_max=10**6)
    obedient.fail_once(RuntimeError())
    obedient.broken_on_disk = True
    assert post(client).status_code == 500
    ready = client.get("/health/ready")
    assert (ready.status_code, ready.json()["status"]) == (503, "the model is being rebuilt")
    assert client.get("/health/live").status_code == 200
    obedient.broken_on_disk = False
    assert post(client).status_code == 200
    assert client.get("/health/ready").status_code == 200


def test_a_model_that_fails_for_good_asks_for_a_restart(open_client, obedient, monkeypatch):
    monkeypatch.setattr(Backoff, "after", lambda *_: 0.001)
    client = open_client(obedient, failures_max=3)
    obedient.failure = RuntimeError()
    obedient.broken_on_disk = True
    assert post(client).status_code == 500
    wait_until(lambda: client.get("/health/live").status_code == 503)
    assert "times in a row" in client.get("/health/live").json()["status"]
    refused = post(client)
    assert (refused.status_code, refused.json()["type"]) == (503, "urn:smoke-bvm:problem:model_unavailable")
    assert "Retry-After" in refused.headers
    text = client.get("/metrics").text
    assert "smoke_live 0.0" in text
    assert 'smoke_session_rebuilds_total{result="failed"}' in text


def test_a_batch_that_hangs_turns_live_false(open_client, obedient):
    client = open_client(obedient, stall_s=0.05)
    obedient.free.clear()
    with ThreadPoolExecutor(1) as callers:
        hanging = callers.submit(post, client)
        assert obedient.entered.acquire(timeout=60)
        wait_until(lambda: client.get("/health/live").status_code == 503)
        assert "a batch has been running for" in client.get("/health/live").json()["status"]
        obedient.free.set()
        assert hanging.result().status_code == 200
    assert client.get("/health/live").status_code == 200


def test_failures_and_recoveries_leave_the_outcomes_adding_up(open_client, obedient):
    client = open_client(obedient)
    for number in range(6):
        if number % 3 == 0:
            obedient.fail_once(RuntimeError())
        client.post("/segment", content=BODY)
    found = counts(client)
    assert found['smoke_requests_total{outcome="failed",reason="inference_failed"}'] == 2
    assert found['smoke_requests_total{outcome="answered",reason="ok"}'] == 4
    assert found["smoke_requests_received_total"] == 6
