"""`tiles=2x2` through the whole service: one answer, five frames' work."""

import base64
import json
import math
import time

import numpy as np
import pytest

from models.geometry import fit, fit_map
from models.maps import SegmentationMaps
from models.tiles import merge, views
from service.__main__ import main
from service.errors import DeadlineExceeded, ServiceFull, Superseded
from service.pipeline.options import SegmentOptions
from service.pipeline.tiling import Looks, infer_each, model_inputs
from service.runtime.providers import RuntimeOptions
from service.runtime.session import OnnxModel, open_model
from service.runtime.slot import LoadedModel, ModelSlot
from service.scheduling.batcher import Batcher, BatchingOptions
from service.scheduling.context import RequestContext
from service.scheduling.fair_queue import FairQueue
from tests.conftest import SIDE, build_release, closed_form, closed_novelty
from tests.pictures import array_of, file_of, floats_of, noisy, plain, plume
from tests.service.scheduling.test_batcher import WAIT_S, Gate

LN2 = math.log(2)
ALL = "outputs=mask,probability,total,aleatoric,epistemic"
FIVE = RequestContext(cost=5)


def post(client, frame, query="tiles=2x2"):
    return client.post(f"/segment?{query}", content=file_of(frame), headers={"Content-Type": "image/png"})


def shown(reply: dict, name: str) -> np.ndarray:
    return array_of(base64.b64decode(reply["maps"][name]["data"]))


@pytest.fixture
def sensitive(tmp_path) -> OnnxModel:
    """A release for which a region of any size counts."""
    return open_model(build_release(tmp_path, minimum_region=0.0), RuntimeOptions(provider="cpu"))


def dot() -> np.ndarray:
    """A dot of 2 x 2 in a frame of 106 x 106, a whole pixel of the canvas and .36 of one of the square."""
    frame = plain(0, 0, 0, 106, 106)
    frame[20:22, 80:82] = (255, 255, 255)
    return frame


@pytest.mark.parametrize(("width", "height"), [(106, 106), (97, 41), (40, 95)])
def test_every_map_is_the_closed_forms_merged_and_brought_to_the_models_square(client, width, height):
    frame = noisy(3, width, height)
    reply = post(client, frame, f"tiles=2x2&{ALL}").json()
    merged = merge([SegmentationMaps(**closed_form(view)) for view in views(frame, SIDE)])
    assert reply["tiles"] == "2x2"
    assert reply["frame"] == {"width": width, "height": height}
    for name, most in {"probability": 1.0, "total": LN2, "aleatoric": LN2, "epistemic": LN2}.items():
        restored = shown(reply, name) / 255 * most
        assert restored.shape == (SIDE, SIDE)
        assert np.abs(restored - fit_map(getattr(merged, name), SIDE)).max() <= most / 510 + 1e-5
    doubt = reply["uncertainty"]["frame"]
    assert doubt["total"] == pytest.approx(merged.total.mean(), abs=1e-5)
    assert doubt["total"] == pytest.approx(doubt["aleatoric"] + doubt["epistemic"], abs=1e-6)


def test_the_novelty_of_a_tiled_frame_is_that_of_the_whole(open_client, tmp_path):
    told = open_model(build_release(tmp_path, novelty_limit=3.0), RuntimeOptions(provider="cpu"))
    frame = noisy(3, 106, 106)
    frame[:53, :53] = 255
    reply = post(open_client(told), frame, "tiles=2x2&outputs=&camera_id=ridge").json()
    expected = closed_novelty(fit(frame, SIDE))
    assert reply["tiles"] == "2x2"
    assert reply["novelty"] == {"score": pytest.approx(expected, rel=1e-5), "limit": 3.0, "unfamiliar": False}


def test_as_npz_the_merged_maps_come_as_floats_of_the_models_square(open_client, obedient):
    frame = noisy(3, 106, 106)
    entries = post(open_client(obedient), frame, f"tiles=2x2&encoding=npz&{ALL}").json()["maps"]
    merged = merge([SegmentationMaps(**closed_form(view)) for view in views(frame, SIDE)])
    found = {name: floats_of(base64.b64decode(entry["data"]), name) for name, entry in entries.items()}
    for name in ("probability", "total", "aleatoric", "epistemic"):
        assert (entries[name]["dtype"], found[name].shape) == ("float32", (SIDE, SIDE))
        np.testing.assert_array_equal(found[name], fit_map(getattr(merged, name), SIDE))
    np.testing.assert_array_equal(found["mask"], found["probability"] >= 0.5)


def test_a_plume_that_the_square_dims_away_is_found_by_the_tiles_and_placed_on_the_frame(open_client, sensitive):
    client = open_client(sensitive)
    without, with_tiles = (post(client, dot(), query).json() for query in ("", "tiles=2x2"))
    assert (without["tiles"], without["smoke"]["detected"], without["regions"]) == (None, False, [])
    assert with_tiles["smoke"]["detected"]
    (region,) = with_tiles["regions"]
    assert region["bbox"] == {"x": 80, "y": 20, "width": 2, "height": 2}
    assert region["area_px"] == 4
    assert region["mean_probability"] == 1.0


def test_a_camera_remembers_where_on_the_frame_the_tiles_found_it(open_client, sensitive):
    client = open_client(sensitive)
    assert post(client, dot(), "tiles=2x2&camera_id=ridge").json()["alarm"]["state"] == "suspected"
    (box,) = client.app.state.app_state.cameras.get("ridge").views[""].boxes
    assert box == pytest.approx((80 / 106, 20 / 106, 82 / 106, 22 / 106))


def test_a_frame_of_one_colour_has_no_seam_at_its_own_size(client):
    reply = post(client, plain(51, 102, 204, 120, 70), f"tiles=2x2&resolution=frame&{ALL}").json()
    for name, level in {"mask": 0, "probability": 51, "total": 102, "aleatoric": 82, "epistemic": 20}.items():
        values = shown(reply, name)
        assert values.shape == (70, 120)
        assert set(values.ravel().tolist()) == {level}


def test_a_frame_that_the_square_does_not_shrink_is_answered_as_without_tiles(client):
    frame = noisy(5, SIDE, SIDE)
    reply, plainly = (post(client, frame, f"{query}&{ALL}").json() for query in ("tiles=2x2", ""))
    assert reply["tiles"] is None
    assert reply["maps"] == plainly["maps"]
    assert reply["smoke"] == plainly["smoke"]


def test_tiles_of_another_kind_are_refused_in_words(client):
    reply = post(client, plume(), "tiles=3x3")
    assert reply.status_code == 422
    assert "tiles" in reply.json()["detail"]


def test_five_frames_are_looked_at_by_one_model(open_client, obedient):
    client = open_client(obedient)
    assert post(client, plume()).status_code == 200
    assert obedient.frames == 5


def test_a_failure_of_one_look_fails_the_request_once_and_nothing_stays_behind(open_client, obedient):
    client = open_client(obedient)
    obedient.fail_once(RuntimeError("out of luck"))
    reply = post(client, plume())
    assert (reply.status_code, reply.json()["type"]) == (500, "urn:smoke-bvm:problem:inference_failed")
    assert obedient.frames == 1
    assert client.app.state.app_state.admission.backlog.total == 0
    assert client.app.state.app_state.slot.failures == 1
    assert post(client, plume()).status_code == 200


def test_a_request_for_tiles_takes_five_permits_and_is_refused_where_four_are_left(open_client, obedient):
    assert post(open_client(obedient, requests_max=5), plume()).status_code == 200
    reply = post(open_client(obedient, requests_max=4), plume())
    assert reply.status_code == 429
    assert post(open_client(obedient, requests_max=4), plume(), "").status_code == 200
    assert post(open_client(obedient, queue_max=4), plume()).status_code == 429
    assert post(open_client(obedient, queue_max=4), plain(0, 0, 0)).status_code == 200


def test_a_lane_that_was_served_five_lets_the_others_catch_up():
    queue: FairQueue[tuple[str, int]] = FairQueue(lambda job: job[1])
    for job in [("wide", 5), ("wide", 5), *[("ridge", 1)] * 7]:
        queue.push(job[0], job)
    assert queue.total == 17
    assert [queue.pop()[0] for _ in range(9)] == ["wide"] + ["ridge"] * 5 + ["wide"] + ["ridge"] * 2
    assert queue.total == 0


def test_a_queue_counts_frames_and_a_batch_is_filled_with_them():
    gate, taken = Gate(), []
    with Batcher(gate, BatchingOptions(1, 8, 8), lambda frames, _: taken.append(frames)) as batcher:
        running = batcher.submit(0)
        gate.entered.acquire(timeout=WAIT_S)
        futures = [batcher.submit(1, FIVE), batcher.submit(2), batcher.submit(3)]
        assert batcher.depth == 7
        with pytest.raises(ServiceFull, match="found 7 frames waiting, expected fewer than 4"):
            batcher.submit(4, FIVE)
        gate.open.set()
        assert [future.result(WAIT_S).value for future in (running, *futures)] == [0, 2, 4, 6]
    assert taken == [1, 7]


def test_a_runner_that_takes_one_at_a_time_says_that_five_took_five_rounds():
    with Batcher(list, BatchingOptions(1, 1, 8)) as batcher:
        assert batcher.submit(1, FIVE).result(WAIT_S).rounds == 5
        assert batcher.submit(1).result(WAIT_S).rounds == 1


def test_latest_deadline_and_cancellation_hold_for_five_as_for_one():
    gate = Gate()
    with Batcher(gate, BatchingOptions(1, 1, 10)) as batcher:
        running = batcher.submit(0)
        gate.entered.acquire(timeout=WAIT_S)
        older = batcher.submit(1, RequestContext("ridge", latest=True))
        newer = batcher.submit(2, RequestContext("ridge", latest=True, cost=5))
        late = batcher.submit(3, RequestContext(deadline_s=time.perf_counter(), cost=4))
        with pytest.raises(Superseded):
            older.result(WAIT_S)
        assert batcher.depth == 9
        newer.cancel()
        stays = batcher.submit(4, FIVE)  # the cancelled five make room
        gate.open.set()
        assert (running.result(WAIT_S).value, stays.result(WAIT_S).value) == (0, 8)
        with pytest.raises(DeadlineExceeded):
            late.result(WAIT_S)


def test_the_answers_of_several_frames_are_not_mixed(obedient):
    slot = ModelSlot(LoadedModel(obedient, lambda: obedient))
    frames = [noisy(1, 64, 64), noisy(2, SIDE, SIDE), noisy(3, 70, 33)]
    order = SegmentOptions((), tiles="2x2")
    answers = infer_each(slot, [model_inputs(frame, order, SIDE) for frame in frames])
    assert [len(answer) for answer in answers] == [5, 1, 5]
    for frame, answer in zip(frames, answers, strict=True):
        alone = infer_each(slot, [model_inputs(frame, order, SIDE)])[0]
        np.testing.assert_array_equal(
            Looks(answer, (), 0.0, 0.0).merged.prediction.probability,
            Looks(alone, (), 0.0, 0.0).merged.prediction.probability,
        )


def test_the_command_line_looks_at_tiles(tmp_path, release):
    picture = tmp_path / "dot.png"
    picture.write_bytes(file_of(dot()))
    arguments = ["segment", str(picture), "--out", str(tmp_path / "out"), "--model-dir", str(release)]
    assert main([*arguments, "--tiles", "2x2"]) == 0
    report = json.loads((tmp_path / "out/dot.json").read_text())
    assert (report["tiles"], report["smoke"]["max_probability"]) == ("2x2", 1.0)


def test_the_document_names_the_parameter_and_the_field(client):
    document = client.get("/openapi.json").json()
    names = {parameter["name"] for parameter in document["paths"]["/segment"]["post"]["parameters"]}
    assert "tiles" in names
    assert "tiles" in document["components"]["schemas"]["SegmentResponse"]["required"]
