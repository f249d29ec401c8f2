"""Small smoke is looked at once more, through the whole service."""

import asyncio
import base64
import time

import numpy as np

from models.close_ups import close_ups
from models.geometry import fit
from models.maps import SegmentationMaps
from service.pipeline.decoding.decode import Limits
from service.pipeline.options import SegmentOptions
from service.pipeline.pipeline import Pipeline
from service.pipeline.tiling import Looks
from service.pipeline.workers import Rank, WorkerOptions
from service.runtime.providers import RuntimeOptions
from service.runtime.session import open_model
from service.runtime.slot import LoadedModel, ModelSlot
from service.scheduling.service_time import ServiceTimeEstimator
from tests.conftest import SIDE, build_release, closed_form
from tests.pictures import array_of, file_of, plain
from tests.service.conftest import EACH, ObedientModel

ALL = "outputs=probability,total,aleatoric,epistemic"


class Sharper(ObedientModel):
    """Sees from nearby the opposite of what it saw on the whole frame."""

    def predict(self, frames):
        first = self.frames == 0
        return super().predict(frames if first else [255 - np.asarray(frame) for frame in frames])


class Slow(ObedientModel):
    """Takes its time for each view."""

    view_s = 0.05

    def predict(self, frames):
        time.sleep(self.view_s * len(frames))
        return super().predict(frames)


def speckled() -> np.ndarray:
    """A square of 10 x 10 in a frame of 160 x 160: 2 x 2 of the square's pixels, and dim ones around."""
    frame = plain(20, 60, 90, 160, 160)
    frame[78:88, 78:88] = (255, 200, 150)
    return frame


def slot_of(model: ObedientModel) -> ModelSlot:
    return ModelSlot(LoadedModel(model, model.reopen))


def post(client, frame, query=ALL):
    return client.post(f"/segment?{query}", content=file_of(frame), headers={"Content-Type": "image/png"})


def test_every_map_is_the_whole_frames_with_the_close_ups_put_into_it(open_client, closer):
    frame, sharper = speckled(), Sharper(closer.manifest)
    reply = post(open_client(sharper), frame).json()
    whole = SegmentationMaps(**closed_form(fit(frame, SIDE)))
    windows = EACH.windows(whole.probability, 160, 160)
    merged = EACH.merge(
        whole, windows, [SegmentationMaps(**closed_form(255 - v)) for v in close_ups(frame, windows, SIDE)]
    )
    assert reply["close_ups"] == {"looked": 1, "skipped": 0}
    assert sharper.frames == 2
    for name, most in {"probability": 1.0, "total": np.log(2), "aleatoric": np.log(2), "epistemic": np.log(2)}.items():
        found = array_of(base64.b64decode(reply["maps"][name]["data"])) / 255 * most
        assert np.abs(found - getattr(merged, name)).max() <= most / 510 + 1e-5
    assert np.abs(whole.probability - merged.probability).max() > 0.1


def test_a_frame_without_small_smoke_is_looked_at_once(open_client, closer):
    reply = post(open_client(closer), plain(20, 60, 90, 160, 160)).json()
    assert (reply["close_ups"], closer.frames) == ({"looked": 0, "skipped": 0}, 1)


def test_beside_tiles_there_are_no_close_ups(open_client, closer):
    reply = post(open_client(closer), speckled(), f"tiles=2x2&{ALL}").json()
    assert (reply["close_ups"], closer.frames) == ({"looked": 0, "skipped": 0}, 5)


def test_a_release_that_was_measured_without_has_none(open_client, obedient):
    reply = post(open_client(obedient), speckled()).json()
    assert (reply["close_ups"], obedient.frames) == (None, 1)


def test_smoke_that_is_barely_seen_is_looked_at_closer(open_client, closer):
    frame = speckled()
    frame[78:88, 78:88, 0] = 160
    assert post(open_client(closer), frame).json()["close_ups"] == {"looked": 1, "skipped": 0}


def test_each_close_up_counts_as_a_frames_work_and_needs_no_room_among_those_that_wait(closer):
    frame, sizes = speckled(), []
    frame[20:30, 20:30] = (255, 200, 150)
    with Pipeline(
        slot_of(closer), WorkerOptions(1, 1), Limits(100_000), lambda taken, _: sizes.append(taken)
    ) as pipeline:
        found = asyncio.run(pipeline.segment(file_of(frame), SegmentOptions(())))
    assert (found.close_ups, sizes) == ((2, 0), [1, 2])


def test_a_frame_waits_to_be_begun_and_then_goes_before_those_that_do(closer):
    ranks = []
    with Pipeline(slot_of(closer), WorkerOptions(1, 8), Limits(100_000)) as pipeline:
        offload = pipeline.offload
        pipeline.offload = lambda work, rank: ranks.append(rank) or offload(work, rank)
        found = asyncio.run(pipeline.segment(file_of(speckled()), SegmentOptions(())))
    assert found.close_ups == (1, 0)
    assert ranks == [Rank.BEGIN, *[Rank.FINISH] * 4]


def test_the_wait_behind_a_frame_is_estimated_with_its_close_ups(closer):
    """Each view takes .05 s of the one runner: a frame with one small smoke keeps it for .1 s, one without for half of that."""
    slow, taken = Slow(closer.manifest), []
    for frame in (speckled(), plain(20, 60, 90, 160, 160)):
        estimator = ServiceTimeEstimator()
        with Pipeline(slot_of(slow), WorkerOptions(1, 8), Limits(100_000), estimator=estimator) as pipeline:
            asyncio.run(pipeline.segment(file_of(frame), SegmentOptions(())))
        taken.append(estimator._run_s.value)
    assert taken[0] > 0.1 > taken[1] > 0.05


def test_what_close_ups_waited_and_took_is_the_frames_own():
    looks = Looks((), (), queue_s=1.0, run_s=2.0).with_close_ups((), 0.25, 0.5)
    assert (looks.queue_s, looks.run_s) == (1.25, 2.5)


def test_a_camera_is_alarmed_of_smoke_that_was_looked_at_closer(open_client, closer):
    client = open_client(closer)
    replies = [post(client, speckled(), "outputs=&camera_id=ridge").json() for _ in range(3)]
    assert [reply["alarm"]["state"] for reply in replies][-1] == "alarm"
    assert {reply["close_ups"]["looked"] for reply in replies} == {1}


def test_a_released_graph_is_looked_through_as_its_manifest_says(open_client, tmp_path):
    model = open_model(build_release(tmp_path, close_ups=EACH), RuntimeOptions(provider="cpu"))
    assert post(open_client(model), speckled()).json()["close_ups"] == {"looked": 1, "skipped": 0}
