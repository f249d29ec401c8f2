"""Close-ups that fail, or would come too late: the frame is answered in time, as the whole of it shows it."""

import asyncio
import dataclasses
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from service.errors import ClientGone
from service.pipeline import workers
from service.pipeline.decoding.decode import Limits
from service.pipeline.options import SegmentOptions
from service.pipeline.pipeline import Pipeline
from service.pipeline.workers import WorkerOptions
from service.runtime.slot import LoadedModel
from service.scheduling.context import RequestContext
from service.scheduling.service_time import ServiceTimeEstimator
from tests.pictures import file_of
from tests.service.conftest import ObedientModel
from tests.service.test_close_ups import Slow, post, slot_of, speckled


class Stuck(ObedientModel):
    """Answers whole frames, and hangs on what comes after them."""

    asked = 0

    def predict(self, frames):
        self.asked += 1
        if self.asked > 1:
            self.free.clear()
        return super().predict(frames)


class Failing(ObedientModel):
    """Answers whole frames, and fails on what comes after them."""

    def predict(self, frames):
        if self.frames:
            self.failure = RuntimeError("out of memory")
        return super().predict(frames)


class Replaced(ObedientModel):
    """Answers whole frames, and has another model put in its place."""

    replace: Callable[[], None]

    def predict(self, frames):
        self.replace()
        return super().predict(frames)


class Nonsense(ObedientModel):
    """Answers whole frames, and with something that is no number what comes after them."""

    def predict(self, frames):
        first = self.frames == 0
        return [answer if first else answer._replace(total=answer.total * np.nan) for answer in super().predict(frames)]


def test_a_caller_who_leaves_before_the_close_up_is_answered_nothing(closer):
    held = []

    def hold_pixels(pixels):
        held.append(pixels)
        if held.count(160 * 160) > 1:
            raise ClientGone("the caller left")

    with Pipeline(slot_of(closer), WorkerOptions(1, 8), Limits(100_000)) as pipeline, pytest.raises(ClientGone):
        asyncio.run(pipeline.segment(file_of(speckled()), SegmentOptions(()), hold_pixels=hold_pixels))


def test_smoke_whose_close_up_another_model_answers_is_answered_as_seen_on_the_whole_frame(closer):
    first, other = Replaced(closer.manifest), ObedientModel(closer.manifest)
    other.identity = dataclasses.replace(first.identity, version="0.0.2")
    slot = slot_of(first)
    first.replace = partial(slot.install, LoadedModel(other, other.reopen))
    with Pipeline(slot, WorkerOptions(1, 8), Limits(100_000)) as pipeline:
        found = asyncio.run(pipeline.segment(file_of(speckled()), SegmentOptions(())))
    assert (found.identity, found.close_ups) == (first.identity, (0, 1))
    assert (first.frames, other.frames) == (1, 1)
    assert found.result.smoke.detected


def test_smoke_whose_close_up_fails_is_answered_as_seen_on_the_whole_frame(open_client, closer):
    failing = Failing(closer.manifest)
    answer = post(open_client(failing), speckled())
    assert answer.status_code == 200
    assert answer.json()["close_ups"] == {"looked": 0, "skipped": 1}
    assert answer.json()["smoke"]["detected"]


def test_what_a_close_up_fails_of_is_in_the_log(open_client, closer, caplog):
    post(open_client(Failing(closer.manifest)), speckled())
    assert "out of memory" in caplog.text


def test_smoke_whose_close_up_is_no_number_is_answered_as_seen_on_the_whole_frame(open_client, closer):
    answer = post(open_client(Nonsense(closer.manifest)), speckled())
    assert answer.status_code == 200
    assert answer.json()["close_ups"] == {"looked": 0, "skipped": 1}
    assert answer.json()["smoke"]["detected"]


@pytest.mark.parametrize("failure", [RuntimeError("no process to decode in"), OSError("too many open files")])
def test_smoke_whose_picture_cannot_be_decoded_again_is_answered_as_seen_on_the_whole_frame(
    open_client, closer, monkeypatch, failure
):
    def prepare(body, wanted, hold_pixels):
        if wanted.windows:
            raise failure
        return workers_prepare(body, wanted, hold_pixels)

    workers_prepare = workers.prepare
    monkeypatch.setattr(workers, "prepare", prepare)
    answer = post(open_client(closer), speckled())
    assert (answer.status_code, closer.frames) == (200, 1)
    assert answer.json()["close_ups"] == {"looked": 0, "skipped": 1}


def test_where_a_close_up_hangs_the_whole_frame_is_answered_before_the_deadline(closer, caplog):
    """So long before as the threads take for a frame: a second here."""
    stuck, estimator = Stuck(closer.manifest), ServiceTimeEstimator()
    estimator.timed(partial(time.sleep, 1.0))
    estimator.record_departure()
    with Pipeline(slot_of(stuck), WorkerOptions(1, 8), Limits(100_000), estimator=estimator) as pipeline:
        context = RequestContext(deadline_s=time.perf_counter() + 2.0)
        found = asyncio.run(pipeline.segment(file_of(speckled()), SegmentOptions(()), context))
        assert context.left_s > 0.0
        stuck.free.set()
    assert found.close_ups == (0, 1)
    assert found.result.smoke.detected
    assert stuck.asked == 2
    assert "close-ups failed" not in caplog.text


def test_where_the_deadline_leaves_less_time_than_a_view_takes_the_picture_is_not_even_decoded_again(
    closer, monkeypatch
):
    prepared, prepare = [], workers.prepare
    monkeypatch.setattr(workers, "prepare", lambda *given: prepared.append(given) or prepare(*given))
    slow = Slow(closer.manifest)
    slow.view_s = 1.5
    with Pipeline(slot_of(slow), WorkerOptions(1, 8), Limits(100_000)) as pipeline:
        context = RequestContext(deadline_s=time.perf_counter() + 2.5)
        found = asyncio.run(pipeline.segment(file_of(speckled()), SegmentOptions(()), context))
    assert found.close_ups == (0, 1)
    assert slow.frames == len(prepared) == 1


@pytest.mark.parametrize(("work_s", "found"), [(1.0, (1, 0)), (60.0, (0, 1))])
def test_a_picture_that_was_slow_to_decode_is_decoded_again_only_where_there_is_time(
    closer, monkeypatch, work_s, found
):
    """A thread that decodes cannot be stopped: the frame would wait for it until after its deadline."""
    prepared, prepare = [], workers.prepare
    monkeypatch.setattr(
        workers, "prepare", lambda *given: prepared.append(given) or prepare(*given)._replace(work_s=work_s)
    )
    with Pipeline(slot_of(closer), WorkerOptions(1, 8), Limits(100_000)) as pipeline:
        context = RequestContext(deadline_s=time.perf_counter() + 60.0)
        segmentation = asyncio.run(pipeline.segment(file_of(speckled()), SegmentOptions(()), context))
    assert segmentation.close_ups == found
    assert len(prepared) == 1 + found[0]
