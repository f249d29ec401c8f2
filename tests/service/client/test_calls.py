import asyncio
import threading
from datetime import UTC, datetime

import httpx2
import numpy as np
import pytest

from service.api.query import SegmentQuery
from service.client import AsyncSmokeClient, calls
from service.client.calls import SegmentParameters, body_of, frame_file, refusal_of, segment_call
from service.client.errors import CallRefused, KeyRefused, ReplyUnreadable, ServiceFailed
from service.client.events import CameraEvent, EventLines
from service.client.reply import SegmentReply
from tests.pictures import array_of, file_of, noisy, plume


def test_an_array_is_sent_without_loss_and_red_first():
    frame = noisy(3, 40, 30)
    np.testing.assert_array_equal(array_of(frame_file(frame)), frame)


def test_a_file_is_sent_as_it_is(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"bytes")
    assert frame_file(tmp_path / "a.jpg") == frame_file(str(tmp_path / "a.jpg")) == frame_file(b"bytes")


@pytest.mark.parametrize("frame", [np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), None])
def test_what_is_no_frame_is_refused_in_words(frame):
    with pytest.raises(
        TypeError, match=r"expected a path, the bytes of a picture file, or uint8 of \(height, width, 3\)"
    ):
        frame_file(frame)


def test_the_client_for_asyncio_reads_and_packs_a_frame_beside_the_loop(monkeypatch):
    threads = []
    monkeypatch.setattr(calls, "frame_file", lambda frame: threads.append(threading.get_ident()) or frame)
    nobody = httpx2.MockTransport(lambda _: httpx2.Response(401))

    async def ask() -> None:
        async with AsyncSmokeClient("http://127.0.0.1", transport=nobody) as client:
            with pytest.raises(KeyRefused):
                await client.segment(b"a frame")

    asyncio.run(ask())
    assert len(threads) == 1
    assert threads != [threading.get_ident()]


def test_arguments_become_the_query():
    at = datetime(2026, 8, 1, 12, tzinfo=UTC)
    call = segment_call(b"x", camera_id="north", captured_at=at, outputs=["mask", "rle"], latest=True, threshold=0.25)
    assert call.query == {
        "camera_id": "north",
        "captured_at": "2026-08-01T12:00:00+00:00",
        "outputs": "mask,rle",
        "latest": "true",
        "threshold": "0.25",
    }
    assert segment_call(b"x", outputs=()).query == {"outputs": ""}
    assert segment_call(b"x").query == {}


@pytest.mark.parametrize(("left_s", "told_ms"), [(0.0001, "1"), (2.5, "2500"), (600.0, "600000"), (900.0, "600000")])
def test_the_service_is_told_the_time_that_is_left_as_far_as_it_takes_one(left_s, told_ms):
    assert segment_call(b"x").arguments(left_s)["headers"]["X-Deadline-Ms"] == told_ms


def test_its_options_are_the_query_of_the_service():
    assert SegmentParameters.__annotations__.keys() == SegmentQuery.model_fields.keys()


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"threshold": 2}, "threshold: found 2, expected less than 1"),
        ({"outputs": ["smoke"]}, "expected some of mask, probability"),
        ({"camra_id": "a"}, r"found \['camra_id'\], expected some of camera_id, view,"),
        ({"latest": True}, "found latest without camera_id, expected both"),
        ({"camera_id": "a", "captured_at": datetime(2026, 8, 1)}, "captured_at"),  # noqa: DTZ001 - without a time zone
    ],
)
def test_an_impossible_argument_is_refused_before_anything_is_sent(chosen, words):
    with pytest.raises(CallRefused, match=words):
        segment_call(b"x", **chosen)


def test_only_a_frame_that_the_service_would_know_again_is_sent_twice():
    broken, never_there = httpx2.ReadError("broken"), httpx2.ConnectError("refused")
    at = "2026-08-01T12:00:00Z"
    assert segment_call(b"x").may_repeat(broken)
    assert segment_call(b"x", camera_id="a", captured_at=at).may_repeat(broken)
    assert not segment_call(b"x", camera_id="a").may_repeat(broken)
    assert segment_call(b"x", camera_id="a").may_repeat(never_there)


def test_the_word_that_services_before_0_9_0_had_for_doubted_smoke_is_read_as_smoke(client):
    told = client.post("/segment", content=file_of(plume()), headers={"Content-Type": "image/png"}).json()
    response = httpx2.Response(
        200, json=told | {"assessment": "uncertain"}, request=httpx2.Request("POST", "http://gate/segment")
    )
    assert body_of(response, SegmentReply).assessment == "smoke"


def test_events_are_taken_apart_and_what_is_none_of_ours_is_said():
    taken = EventLines()
    stream = [
        "event: current",
        'data: {"cameras": 1}',
        "",
        ": still here",
        "",
        "event: forgotten",
        'data: {"camera_id": "a"}',
        "",
    ]
    assert [event for line in stream if (event := taken.take(line))] == [CameraEvent("a", None)]
    for data in ("data: {}", "data: nonsense"):
        for line in ("event: camera", data):
            taken.take(line)
        with pytest.raises(ReplyUnreadable, match="smoke-bvm"):
            taken.take("")


def test_a_refusal_of_a_proxy_is_told_by_its_status():
    request = httpx2.Request("POST", "http://gate/segment")
    answer = httpx2.Response(502, text="<html>", headers={"Content-Type": "text/html"}, request=request)
    refused = refusal_of(answer)
    assert isinstance(refused, ServiceFailed)
    assert str(refused) == "502 bad_gateway: found text/html from http://gate/segment, expected a problem body"
