"""A fault at every arrow of the data flow: the right caller gets it, others do not, permits return, the counters reconcile."""

import itertools
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.errors import ServiceFull
from tests.pictures import file_of, plain
from tests.service.test_faults import wait_until

GOOD = file_of(plain(204, 0, 0))
MARKED = file_of(plain(7, 0, 0))
"""The frame that the fault is meant for; all others are the good one."""
LEVEL = 7


def sums(client) -> dict[str, float]:
    """Received, ended, answered, still inside, and every permit in use."""
    text = client.get("/metrics").text

    def total(pattern: str) -> float:
        return sum(float(value) for value in re.findall(rf"^{pattern} (\S+)$", text, re.MULTILINE))

    return {
        "received": total("smoke_requests_received_total"),
        "ended": total(r"smoke_requests_total\{.*\}"),
        "answered": total(r'smoke_requests_total\{outcome="answered",reason="ok"\}'),
        "inside": total("smoke_requests_in_flight"),
        "permits": total(r"smoke_permits_used\{.*\}"),
        "timed": total(r'smoke_stage_seconds_count\{stage="total"\}'),
        "waiting": total("smoke_queue_frames"),
    }


def is_marked(pixels) -> bool:
    return bool((pixels[..., 0] == LEVEL).all())


def break_decoding(patch, failure) -> None:
    from service.pipeline import prepare

    decode_frame = prepare.decode_frame

    def decoding(body, *rest):
        if body == MARKED:
            raise failure
        return decode_frame(body, *rest)

    patch.setattr(prepare, "decode_frame", decoding)


def break_fitting(patch, failure) -> None:
    from service.pipeline import prepare

    model_inputs = prepare.model_inputs

    def showing(frame, *rest):
        if is_marked(frame):
            raise failure
        return model_inputs(frame, *rest)

    patch.setattr(prepare, "model_inputs", showing)


def break_submitting(patch, failure) -> None:
    from service.scheduling.batcher import Batcher

    submit = Batcher.submit

    def submitting(self, item, context=None):
        if is_marked(item[0]):
            raise failure
        return submit(self, item, context)

    patch.setattr(Batcher, "submit", submitting)


def break_summing_up(patch, failure) -> None:
    from service.pipeline import pipeline

    detect_smoke = pipeline.detect_smoke

    def summing_up(prediction, *rest):
        if abs(prediction.probability.max() - LEVEL / 255) < 1e-6:
            raise failure
        return detect_smoke(prediction, *rest)

    patch.setattr(pipeline, "detect_smoke", summing_up)


def break_encoding(patch, failure) -> None:
    from service.pipeline import render

    encode_maps = render.encode_maps

    def encoding(prediction, *rest):
        if abs(prediction.probability.max() - LEVEL / 255) < 1e-6:
            raise failure
        return encode_maps(prediction, *rest)

    patch.setattr(render, "encode_maps", encoding)


def break_replying(patch, failure) -> None:
    from service.api.schemas.segment import SegmentResponse

    build = SegmentResponse.of.__func__

    def replying(cls, segmentation, *rest):
        if abs(segmentation.result.smoke.max_probability - LEVEL / 255) < 1e-6:
            raise failure
        return build(cls, segmentation, *rest)

    patch.setattr(SegmentResponse, "of", classmethod(replying))


ARROWS = (break_decoding, break_fitting, break_submitting, break_summing_up, break_encoding, break_replying)
FAULTS = {
    "a surprise": (RuntimeError("/srv/secret/path"), 500),
    "no memory": (MemoryError(), 500),
    "a full disk": (OSError(28, "No space left on device"), 500),
    "no room": (ServiceFull("found no room, expected some"), 429),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("arrow", ARROWS, ids=lambda arrow: arrow.__name__)
def test_a_fault_hits_its_own_caller_and_everything_adds_up(open_client, obedient, monkeypatch, arrow, fault):
    failure, status = FAULTS[fault]
    client = open_client(obedient)
    arrow(monkeypatch, failure)

    def post(body: bytes) -> tuple[bool, int, str]:
        answer = client.post("/segment", content=body)
        return body == MARKED, answer.status_code, answer.text

    with ThreadPoolExecutor(4) as callers:
        answers = list(callers.map(post, [GOOD, MARKED] * 6))
    assert {(is_mine, found) for is_mine, found, _ in answers} == {(True, status), (False, 200)}
    assert not any("secret" in text for _, _, text in answers)
    wait_until(lambda: sums(client)["inside"] == 0)
    assert sums(client) == {
        "received": 12,
        "ended": 12,
        "answered": 6,
        "inside": 0,
        "permits": 0,
        "timed": 6,
        "waiting": 0,
    }


def test_a_model_that_fails_now_and_then_fails_exactly_those_batches(open_client, obedient):
    client, numbers = open_client(obedient), itertools.count()
    predict = obedient.predict

    def moody(frames):
        if next(numbers) % 3 == 0:
            raise RuntimeError("CUDA error 700")
        return predict(frames)

    obedient.predict = moody
    with ThreadPoolExecutor(4) as callers:
        statuses = list(callers.map(lambda _: client.post("/segment", content=GOOD).status_code, range(12)))
    assert sorted(statuses) == [200] * 8 + [500] * 4
    wait_until(lambda: sums(client)["inside"] == 0)
    found = sums(client)
    assert (found["received"], found["ended"], found["answered"], found["permits"]) == (12, 12, 8, 0)
