"""Who is let in, who goes first, and who is told that it is too late: through the whole application."""

from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.pictures import file_of, noisy, plain, plume
from tests.service.test_faults import counts, wait_until

BODY = file_of(plume())


def post(client, query: str = "", body: bytes = BODY, **headers: str):
    return client.post(f"/segment?outputs=&{query}", content=body, headers=headers)


def used(client) -> dict[str, float]:
    lines = [line for line in client.get("/metrics").text.splitlines() if line.startswith("smoke_permits_used{")]
    return {line.split('"')[1]: float(line.rpartition(" ")[2]) for line in lines}


@pytest.fixture
def held(open_client, obedient):
    """Start an application whose model is busy with one frame; `held(**settings)` gives client, callers, that request."""
    pools = []

    def start(**chosen):
        client = open_client(obedient, **chosen)
        obedient.free.clear()
        callers = ThreadPoolExecutor(16)
        pools.append(callers)
        running = callers.submit(post, client)
        assert obedient.entered.acquire(timeout=60)
        return client, callers, running

    yield start
    obedient.free.set()
    for pool in pools:
        pool.shutdown()


def queued(client, callers, count: int, query: str = "", **headers: str) -> Future:
    """Post a frame, and return once `count` frames wait."""
    request = callers.submit(post, client, query, **headers)
    wait_until(lambda: client.app.state.app_state.pipeline.queue_depth == count)
    return request


def test_every_permit_is_given_back(client):
    assert post(client, "camera_id=ridge").status_code == 200
    assert post(client, body=BODY[:-20]).status_code == 422
    assert used(client) == {"requests": 0, "bytes": 0, "pixels": 0}


def test_permits_are_held_while_a_frame_is_worked_on_its_pixels_where_its_own_size_is_wanted(held):
    client, callers, _ = held()
    wait_until(lambda: used(client) == {"requests": 1, "bytes": len(BODY), "pixels": 0})
    queued(client, callers, 1, "resolution=frame")
    assert used(client) == {"requests": 2, "bytes": 2 * len(BODY), "pixels": 64 * 48}


def test_a_body_for_which_there_is_no_room_is_refused_before_it_is_read(held):
    client, _, _ = held(inflight_bytes_max=1024 + len(BODY), body_max_bytes=1024 + len(BODY))
    refused = post(client, body=bytes(2048))
    assert refused.status_code == 429
    assert "bytes in flight" in refused.json()["detail"]
    assert refused.headers["Retry-After"] == "1"


def test_pixels_for_which_there_is_no_room_are_refused_before_they_are_decoded(held, obedient):
    client, callers, running = held(inflight_pixels_max=4000, pixels_max=4000)
    waiting = queued(client, callers, 1, "resolution=frame")
    refused = post(client, body=file_of(plain(0, 0, 0)))
    assert refused.status_code == 429
    assert "pixels in flight" in refused.json()["detail"]
    obedient.free.set()
    assert (running.result().status_code, waiting.result().status_code) == (200, 200)
    assert obedient.frames == 2


def test_a_camera_that_floods_is_refused_and_others_are_not(held, obedient):
    client, callers, _ = held(camera_requests_max=1)
    first = queued(client, callers, 1, "camera_id=flood")
    assert post(client, "camera_id=flood").status_code == 429
    other = queued(client, callers, 2, "camera_id=ridge")
    obedient.free.set()
    assert (first.result().status_code, other.result().status_code) == (200, 200)


def test_an_expired_frame_is_dropped_before_inference_and_counted(held, obedient):
    client, _, running = held()
    late = post(client, **{"X-Deadline-Ms": "50"})
    # Nothing was answered yet: nobody can call so short a deadline the service's to keep.
    assert (late.status_code, late.json()["type"]) == (504, "urn:smoke-bvm:problem:deadline_too_short")
    assert late.json()["detail"] == "found no answer after 50 ms, expected one by then"
    obedient.free.set()
    assert running.result().status_code == 200
    wait_until(lambda: 'smoke_frames_skipped_total{reason="deadline_exceeded"} 1.0' in client.get("/metrics").text)
    assert obedient.frames == 1
    assert counts(client)['smoke_requests_total{outcome="refused",reason="deadline_too_short"}'] == 1


def test_a_caller_in_too_much_of_a_hurry_is_counted_apart(client):
    slow = file_of(noisy(1, 2_000, 1_500))
    for _ in range(3):
        assert post(client, body=slow).status_code == 200
    late = post(client, body=slow, **{"X-Deadline-Ms": "1"})
    assert (late.status_code, late.json()["type"]) == (504, "urn:smoke-bvm:problem:deadline_too_short")
    counted = counts(client)
    assert counted['smoke_requests_total{outcome="refused",reason="deadline_too_short"}'] == 1
    assert counted.get('smoke_requests_total{outcome="refused",reason="deadline_exceeded"}', 0) == 0


def test_nobody_waits_for_ever(held):
    client, _, _ = held(deadline_s=1.0)
    assert post(client).status_code == 504
    assert post(client, **{"X-Deadline-Ms": "600000"}).status_code == 504


def test_a_deadline_that_leaves_time_changes_nothing(client):
    assert post(client, **{"X-Deadline-Ms": "30000"}).status_code == 200


@pytest.mark.parametrize("value", ["0", "-1", "soon", "600001", "1.5"])
def test_an_impossible_deadline_is_refused(client, value):
    refused = post(client, **{"X-Deadline-Ms": value})
    assert refused.status_code == 422
    assert "x-deadline-ms: found" in refused.json()["detail"]


def test_a_newer_frame_takes_the_place_of_an_older_one_that_waits(held, obedient):
    client, callers, running = held()
    older = queued(client, callers, 1, "camera_id=ridge&latest=true")
    newer = callers.submit(post, client, "camera_id=ridge&latest=true")
    refused = older.result(60)
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:smoke-bvm:problem:superseded")
    obedient.free.set()
    assert (running.result().status_code, newer.result().status_code) == (200, 200)
    assert obedient.frames == 2
    assert 'smoke_frames_skipped_total{reason="superseded"} 1.0' in client.get("/metrics").text


@pytest.mark.parametrize(
    "limit", [{"camera_requests_max": 1}, {"requests_max": 2}, {"queue_max": 1}, {"wait_max_ms": 0.0}], ids=str
)
def test_the_newest_frame_is_not_refused_where_it_takes_the_place_of_one_that_waits(held, obedient, limit):
    client, callers, running = held(camera_wait_max_ms=0.0, **limit)
    older = queued(client, callers, 1, "camera_id=ridge&latest=true")
    client.app.state.app_state.admission.backlog._estimator.record_run(1.0)
    assert post(client, "camera_id=ridge").status_code == 429
    for _ in range(3):
        newer = callers.submit(post, client, "camera_id=ridge&latest=true")
        assert older.result(60).status_code == 409
        older = newer
    obedient.free.set()
    assert (running.result().status_code, newer.result().status_code) == (200, 200)


def test_a_frame_of_another_camera_or_one_that_insists_is_not_replaced(held, obedient):
    client, callers, _ = held()
    requests = [
        queued(client, callers, count, query)
        for count, query in enumerate(
            ("camera_id=ridge", "camera_id=lake&latest=true", "camera_id=ridge&latest=true"), start=1
        )
    ]
    obedient.free.set()
    assert [request.result().status_code for request in requests] == [200, 200, 200]


def test_latest_without_a_camera_is_refused(client):
    refused = post(client, "latest=true")
    assert refused.status_code == 422
    assert "found latest without camera_id, expected both" in refused.json()["detail"]
