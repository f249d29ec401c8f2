"""The Python client against a service in a process of its own, and against a server that fails as it is told."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from models.geometry import fit
from service.api.auth import digest
from service.client import AsyncSmokeClient, Retries, SmokeClient
from service.client.errors import (
    CallRefused,
    DeadlinePassed,
    KeyRefused,
    NotThere,
    ReplyUnreadable,
    ServiceBusy,
    ServiceUnreachable,
)
from tests.conftest import THRESHOLD, closed_form
from tests.end_to_end.conftest import Server
from tests.pictures import array_of, file_of, plume

QUICK = Retries(attempts=3, first_pause_s=0.02)


@pytest.fixture(scope="module")
def server(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    keys = tmp_path_factory.mktemp("keys") / "keys.toml"
    scopes = '["infer", "operator"]'
    keys.write_text(f'[[key]]\nname = "ridge"\nsha256 = "{digest("secret")}"\nscopes = {scopes}\n')
    started = Server(release, SMOKE_API_KEYS_FILE=str(keys))
    yield started
    started.end()


@pytest.fixture
def client(server: Server) -> Iterator[SmokeClient]:
    with SmokeClient(server.url, api_key="secret", trust_env=False) as client:
        yield client


def test_maps_come_as_arrays_in_nats(client):
    frame = plume()
    maps = closed_form(fit(frame, 32))
    for encoding, tolerance in (("png", np.log(2) / 510 + 1e-6), ("npz", 1e-6)):
        reply = client.segment(frame, outputs=["mask", "probability", "total"], encoding=encoding)
        assert list(reply.arrays) == ["mask", "probability", "total"]
        assert (reply.arrays["mask"] == (maps["probability"] >= THRESHOLD)).all()
        assert reply.arrays["mask"].dtype == np.bool_
        assert reply.arrays["total"].dtype == np.float32
        assert np.abs(reply.arrays["total"] - maps["total"]).max() <= tolerance
        assert np.abs(reply.arrays["probability"] - maps["probability"]).max() <= 1 / 510 + 1e-6


def test_a_path_the_bytes_and_an_array_are_one_and_the_same_frame(client, tmp_path):
    (tmp_path / "plume.png").write_bytes(file_of(plume()))
    replies = [
        client.segment(frame, outputs=[])
        for frame in (tmp_path / "plume.png", str(tmp_path / "plume.png"), file_of(plume()), plume())
    ]
    assert {reply.assessment for reply in replies} == {"smoke"}
    assert len({reply.model_dump_json(include={"smoke", "regions", "uncertainty", "frame"}) for reply in replies}) == 1
    assert len({reply.request_id for reply in replies}) == 4


def test_an_overlay_comes_as_a_file_and_only_if_it_was_asked_for(client):
    reply = client.segment(plume(), outputs=["overlay", "polygons"], overlay_encoding="png")
    assert array_of(reply.overlay_file).shape == (48, 64, 3)
    assert reply.polygons.features[0].geometry.coordinates
    with pytest.raises(LookupError, match="expected `overlay` among the outputs"):
        _ = client.segment(plume(), outputs=[]).overlay_file


def test_cameras_the_model_and_feedback_are_typed(client):
    reply = client.segment(plume(), camera_id="north", outputs=[])
    assert reply.alarm.state == "suspected"
    assert client.camera("north").frames == 1
    with pytest.raises(NotThere, match="expected it in alarm"):
        client.acknowledge("north", by="anna")
    assert "north" in [camera.camera_id for camera in client.cameras()]
    assert client.model().sha256 == reply.model.sha256
    assert client.feedback("north", "false_alarm", note="steam").verdict == "false_alarm"
    with pytest.raises(NotThere, match="404 camera_unknown"):
        client.camera("nowhere")


def test_an_alarm_is_taken_on_in_the_name_of_whoever_does_or_of_the_key(client):
    for camera in ("west", "east"):
        for minute in range(3):
            client.segment(plume(), camera_id=camera, captured_at=f"2026-05-01T12:0{minute}:00Z", outputs=[])
    assert client.acknowledge("west", by="anna").acknowledged.by == "anna"
    assert client.acknowledge("west", by="ben").acknowledged.by == "anna"
    assert client.acknowledge("east").acknowledged.by == "ridge"


def test_a_refusal_has_the_problems_words_and_its_request(client):
    with pytest.raises(CallRefused) as raised:
        client.segment(b"no picture")
    assert (raised.value.status, raised.value.reason) == (415, "format_unsupported")
    assert "expected" in raised.value.detail
    assert len(raised.value.request_id) == 32


def test_a_wrong_key_is_an_error_of_its_own(server):
    with SmokeClient(server.url, api_key="wrong", trust_env=False) as client, pytest.raises(KeyRefused, match="401"):
        client.segment(plume())


def test_awaited_calls_run_side_by_side_and_say_the_same(server, client):
    async def ask() -> list[str]:
        async with AsyncSmokeClient(server.url, api_key="secret", trust_env=False) as many:
            replies = await asyncio.gather(*(many.segment(plume(), outputs=[]) for _ in range(6)))
            with pytest.raises(CallRefused):
                await many.segment(b"no picture")
            return [reply.model_dump_json(include={"smoke", "regions"}) for reply in replies]

    assert set(asyncio.run(ask())) == {
        client.segment(plume(), outputs=[]).model_dump_json(include={"smoke", "regions"})
    }


def test_events_tell_of_every_camera_and_of_each_frame(server, client):
    client.segment(plume(), camera_id="early", outputs=[])
    told = client.events()
    while (event := next(told)).camera_id != "early":
        """Others come first."""
    assert event.camera.frames == 1
    client.segment(plume(), camera_id="early", outputs=[])
    while (event := next(told)).camera_id != "early":
        """They may be told again."""
    assert (event.camera.frames, event.camera.assessment) == (2, "smoke")

    async def first() -> str:
        async with AsyncSmokeClient(server.url, api_key="secret", trust_env=False) as awaiting:
            async for seen in awaiting.events():
                return seen.camera.camera_id
        raise AssertionError

    assert asyncio.run(first())
    with SmokeClient(server.url, api_key="wrong", trust_env=False) as stranger, pytest.raises(KeyRefused):
        next(stranger.events())


def test_a_service_that_is_not_there_is_said_so():
    with (
        SmokeClient("http://127.0.0.1:9", retries=QUICK, trust_env=False) as client,
        pytest.raises(ServiceUnreachable, match=r"http://127.0.0.1:9.*is the service running there"),
    ):
        client.model()


Answer = tuple[int, dict[str, str], str]
PROBLEM = json.dumps({"type": "urn:smoke-bvm:problem:service_full", "detail": "found it full", "request_id": "r1"})


@pytest.fixture
def failing() -> Iterator[Callable[..., tuple[str, list[float]]]]:
    """Start a server that gives these answers, one after the other; None hangs up. Gives its address and when it was asked."""
    servers = []

    def start(*answers: Answer | None) -> tuple[str, list[float]]:
        left, asked = list(answers), []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                asked.append(time.monotonic())
                answer = left.pop(0)
                if answer is None:
                    self.close_connection = True
                    return
                status, headers, body = answer
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *words: object) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}", asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def good(server: Server) -> Answer:
    with SmokeClient(server.url, api_key="secret", trust_env=False) as client:
        return 200, {}, client.segment(plume(), outputs=[]).model_dump_json()


FULL: Answer = (429, {"Retry-After": "1"}, PROBLEM)


@pytest.mark.parametrize("awaited", [False, True])
def test_it_comes_again_when_it_was_told_to_and_after_a_hang_up(failing, good, awaited):
    url, asked = failing(FULL, None, good)
    if awaited:

        async def ask() -> str:
            async with AsyncSmokeClient(url, retries=QUICK, trust_env=False) as client:
                return (await client.segment(plume())).assessment

        assert asyncio.run(ask()) == "smoke"
    else:
        with SmokeClient(url, retries=QUICK, trust_env=False) as client:
            assert client.segment(plume()).assessment == "smoke"
    assert len(asked) == 3
    assert asked[1] - asked[0] >= 1.0


def test_a_frame_that_would_count_twice_is_not_sent_again_after_a_hang_up(failing, good):
    url, asked = failing(None, good)
    with SmokeClient(url, retries=QUICK, trust_env=False) as client, pytest.raises(ServiceUnreachable):
        client.segment(plume(), camera_id="north")
    assert len(asked) == 1


def test_a_deadline_ends_the_waiting_at_once_where_it_would_pass_in_the_pause(failing):
    url, asked = failing((429, {"Retry-After": "3600"}, PROBLEM))
    begun = time.monotonic()
    with (
        SmokeClient(url, deadline_s=300, trust_env=False) as client,
        pytest.raises(DeadlinePassed, match="found it full"),
    ):
        client.segment(plume())
    assert len(asked) == 1
    assert time.monotonic() - begun < 60


def test_it_gives_up_in_the_end_with_the_services_words(failing):
    url, asked = failing(*[(429, {}, PROBLEM)] * 3)
    with SmokeClient(url, retries=QUICK, trust_env=False) as client, pytest.raises(ServiceBusy, match="found it full"):
        client.segment(plume())
    assert len(asked) == 3


def test_an_answer_of_something_else_is_said_to_be_none(failing):
    url, _ = failing((200, {}, '{"hello": 1}'))
    with SmokeClient(url, trust_env=False) as client, pytest.raises(ReplyUnreadable, match="is it smoke-bvm"):
        client.segment(plume())
