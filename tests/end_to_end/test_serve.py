"""The whole service as it is run: a process, a socket, frames."""

import base64
import shlex
import shutil
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import numpy as np
import pytest

from tests.conftest import closed_form
from tests.pictures import array_of, file_of, noisy, plain, plume

FRAME = noisy(11)


def connect(server) -> socket.socket:
    address = urlsplit(server.url)
    return socket.create_connection((address.hostname, address.port), timeout=60)


def read_all(connection: socket.socket) -> bytes:
    received = b""
    while part := connection.recv(65536):
        received += part
    return received


def upload(connection: socket.socket, length: int) -> bytes:
    """Send a body in many small parts; returns the answer."""
    connection.sendall(b"POST /segment HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % length)
    for _ in range(128):
        connection.sendall(bytes(length // 128))
        time.sleep(0.001)
    return read_all(connection)


def metric(client, name: str) -> float:
    lines = client.get("/metrics").text.splitlines()
    return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} "))


def wait_until(holds, timeout_s: float = 120.0) -> None:
    end_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end_s, "waited in vain"
        time.sleep(0.02)


@pytest.mark.parametrize(("picture_format", "options"), [("PNG", {}), ("WEBP", {"lossless": True})])
def test_a_lossless_frame_is_answered_to_the_last_level(server, picture_format, options):
    body = file_of(FRAME, picture_format, **options)
    names = ("probability", "total", "aleatoric", "epistemic")
    with server.client() as client:
        answer = client.post(f"/segment?camera_id=ridge&outputs={','.join(names)}", content=body)
    assert answer.status_code == 200
    for name in names:
        entry = answer.json()["maps"][name]
        shown = array_of(base64.b64decode(entry["data"]))
        expected = np.rint((closed_form(FRAME)[name] - entry["minimum"]) / (entry["maximum"] - entry["minimum"]) * 255)
        assert np.abs(shown - expected).max() <= 1, name


def test_a_jpeg_frame_is_answered_too(server):
    with server.client() as client:
        answer = client.post(
            "/segment", content=file_of(plain(204, 0, 0), "JPEG"), headers={"Content-Type": "image/jpeg"}
        )
    assert answer.json()["smoke"]["detected"]


def test_the_server_is_live_ready_and_started(server):
    with server.client() as client:
        for probe in ("live", "ready", "startup"):
            assert client.get(f"/health/{probe}").status_code == 200


def test_the_server_says_whom_it_serves(server):
    assert server.url.startswith("http://127.0.0.1:")
    said = "reachable from this machine only; --host or SMOKE_HOST opens it to others"
    wait_until(lambda: said in [line["message"] for line in server.log])


def test_the_command_in_the_log_works_as_it_stands(server):
    assert server.url
    command = shlex.split(next(line["try"] for line in server.log if line["message"] == "listening"))
    program, data, body, header, media_type, url = command
    assert (program, data, header) == ("curl", "--data-binary", "-H")
    name, value = media_type.split(": ")
    content = Path(body.removeprefix("@")).read_bytes()
    answer = httpx2.post(url, content=content, headers={name: value}, trust_env=False)
    assert answer.json()["model"]["name"] == "smoke-test"


def test_a_request_leaves_one_line_with_its_id_and_no_image_data(server):
    with server.client() as client:
        client.post("/segment", content=file_of(FRAME), headers={"X-Request-ID": "a-line"})
    wait_until(lambda: any(line.get("request_id") == "a-line" for line in server.log))
    lines = [line for line in server.log if line.get("request_id") == "a-line"]
    assert len(lines) == 1
    assert (lines[0]["status"], lines[0]["reason"], lines[0]["path"]) == (200, "ok", "/segment")
    assert max(len(line) for line in server.lines) < 600


def test_a_client_in_mid_upload_sees_the_refusal_and_not_a_reset(start):
    server = start(SMOKE_BODY_MAX_BYTES="65536")
    with connect(server) as connection:
        received = upload(connection, 131072)
    assert received.startswith(b"HTTP/1.1 413")
    assert b'"type":"urn:smoke-bvm:problem:body_too_large"' in received


def test_a_client_in_mid_upload_sees_that_there_is_no_room_and_not_a_reset(start):
    server = start(SMOKE_BODY_MAX_BYTES="1048576", SMOKE_INFLIGHT_BYTES_MAX="1048576")
    with connect(server) as first, connect(server) as second, server.client() as client:
        first.sendall(b"POST /segment HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" + bytes(100))
        wait_until(lambda: metric(client, 'smoke_permits_used{kind="bytes"}') == 100)
        received = upload(second, 1048576)
    assert received.startswith(b"HTTP/1.1 429")
    assert b"retry-after: 1" in received
    assert b"urn:smoke-bvm:problem:service_full" in received


def test_a_refused_upload_that_is_all_there_keeps_its_connection(start):
    server = start(SMOKE_BODY_MAX_BYTES="1024", SMOKE_INFLIGHT_BYTES_MAX="1024")
    with connect(server) as first, connect(server) as second, server.client() as client:
        first.sendall(b"POST /segment HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" + bytes(100))
        wait_until(lambda: metric(client, 'smoke_permits_used{kind="bytes"}') == 100)
        second.sendall(b"POST /segment HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" + bytes(1000))
        second.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        received = read_all(second)
    assert received.startswith(b"HTTP/1.1 429")
    assert received.count(b"HTTP/1.1 200 OK") == 1


def test_a_client_that_waits_to_be_told_to_continue_is_refused_without_sending(start):
    server = start(SMOKE_BODY_MAX_BYTES="65536")
    with connect(server) as connection:
        connection.sendall(
            b"POST /segment HTTP/1.1\r\nHost: x\r\nContent-Length: 131072\r\nExpect: 100-continue\r\n\r\n"
        )
        received = read_all(connection)
    assert received.startswith(b"HTTP/1.1 413")


def test_a_body_that_dribbles_in_is_given_up_while_others_are_served(start):
    server = start(SMOKE_BODY_TIMEOUT_S="1")
    with connect(server) as slow, server.client() as client:
        slow.sendall(b"POST /segment HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" + bytes(10))
        assert client.post("/segment", content=file_of(FRAME)).status_code == 200
        assert read_all(slow).startswith(b"HTTP/1.1 408")


def test_a_caller_who_hangs_up_in_mid_upload_is_counted_and_costs_nothing(start):
    server = start()
    with server.client() as client:
        with connect(server) as connection:
            connection.sendall(b"POST /segment HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" + bytes(10))
            wait_until(lambda: metric(client, "smoke_requests_in_flight") == 1)
        left = 'smoke_requests_total{outcome="abandoned",reason="client_gone"}'
        wait_until(lambda: metric(client, "smoke_requests_in_flight") == 0)
        assert metric(client, left) == 1


def test_what_was_accepted_is_finished_after_sigterm(start, request):
    room = {"SMOKE_REQUESTS_MAX": "256", "SMOKE_QUEUE_MAX": "256"}
    # On a crowded machine 200 connections send for longer than a header may take by default, and some would be closed.
    time_s = dict.fromkeys(
        ("SMOKE_HEADER_TIMEOUT_S", "SMOKE_BODY_TIMEOUT_S", "SMOKE_DEADLINE_S", "SMOKE_DRAIN_S"), "120"
    )
    server = start(**room, **time_s)
    body = file_of(plume(640, 480))
    head = b"POST /segment?outputs=mask&resolution=frame HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
    connections = [connect(server) for _ in range(200)]
    for connection in connections:
        request.addfinalizer(connection.close)
    with server.client() as client:
        for connection in connections:
            connection.sendall(head % len(body) + body[:-1])
        # A body that takes longer than a second holds no permit until it is there.
        wait_until(lambda: metric(client, "smoke_requests_in_flight") == 200)
        server.process.terminate()
        wait_until(lambda: client.get("/health/ready").status_code == 503)
        assert client.get("/health/live").status_code == 200
        late = client.post("/segment", content=body)
        assert (late.status_code, late.json()["type"]) == (503, "urn:smoke-bvm:problem:draining")
    with ThreadPoolExecutor(len(connections)) as callers:
        answers = [callers.submit(read_all, connection) for connection in connections]
        for connection in connections:
            connection.sendall(body[-1:])
        statuses = {answer.result()[:15] for answer in answers}
    assert statuses == {b"HTTP/1.1 200 OK"}
    assert server.wait() == 0


def test_a_drain_ends_in_time_even_if_a_client_does_not(start):
    server = start(SMOKE_DRAIN_S="1", SMOKE_BODY_TIMEOUT_S="600")
    with connect(server) as connection:
        connection.sendall(b"POST /segment HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" + bytes(10))
        with server.client() as client:
            wait_until(lambda: metric(client, "smoke_requests_in_flight") == 1)
        assert server.stop() == 0


def test_an_idle_server_ends_at_once(start):
    server = start(SMOKE_DRAIN_S="600")
    assert server.url
    assert server.stop() == 0


def test_a_port_in_use_is_said_in_one_line(server, start):
    second = start(port=urlsplit(server.url).port)
    assert second.wait() == 5
    said = [line for line in second.lines if line.startswith("smoke-bvm: ")]
    assert len(said) == 1
    assert "Address already in use; is another server running?" in said[0]
    assert "Traceback" not in "".join(second.lines)


@pytest.mark.parametrize("damage", ["altered", "truncated", "missing model", "missing folder"])
def test_a_model_that_is_not_what_was_released_is_not_served(start, release, tmp_path, damage):
    broken = tmp_path / release.name
    if damage != "missing folder":
        shutil.copytree(release, broken)
        content = (broken / "model.onnx").read_bytes()
        (broken / "model.onnx").write_bytes(content[:-1] + (bytes([content[-1] ^ 1]) if damage == "altered" else b""))
    if damage == "missing model":
        (broken / "model.onnx").unlink()
    server = start(broken)
    assert server.wait() == 3
    assert "Traceback" not in "".join(server.lines)
    assert server.lines[-1].startswith(f"smoke-bvm: {broken}")
    assert "expected" in server.lines[-1]


def test_a_required_gpu_that_is_not_there_stops_the_start(start):
    server = start(SMOKE_PROVIDER="cpu", SMOKE_REQUIRE_PROVIDER="cuda")
    assert server.wait() == 4
    assert "found provider cpu, expected cuda" in server.lines[-1]


def test_many_callers_at_once_each_get_their_own_answer(server):
    levels = range(0, 250, 5)
    met = threading.Barrier(8)

    def ask(level: int) -> float:
        if level < 40:
            met.wait(60)
        with server.client() as client:
            reply = client.post(f"/segment?outputs=&camera_id={level}", content=file_of(plain(level, 0, 0))).json()
        return reply["smoke"]["max_probability"]

    with ThreadPoolExecutor(8) as callers:
        assert list(callers.map(ask, levels)) == pytest.approx([level / 255 for level in levels])
