"""What `POST /segment` answers: the numbers, the maps, their forms."""

import base64
import math

import numpy as np
import pytest

from models.gate import Gate
from models.geometry import fit
from service.api.schemas.segment import SegmentResponse
from service.runtime.providers import RuntimeOptions
from service.runtime.session import open_model
from tests.conftest import THRESHOLD, build_release, closed_form, closed_novelty
from tests.pictures import array_of, file_of, noisy, plain, plume

LN2 = math.log(2)


def post(client, frame, query="", **headers):
    return client.post(f"/segment?{query}", content=file_of(frame), headers={"Content-Type": "image/png", **headers})


def levels(reply: dict, name: str) -> np.ndarray:
    return array_of(base64.b64decode(reply["maps"][name]["data"]))


def test_every_number_of_a_reply_is_the_closed_forms(client, model):
    frame = plume()
    reply = post(client, frame, "camera_id=ridge-1.north&captured_at=2026-05-01T12:00:00Z").json()
    maps = closed_form(fit(frame, 32))
    smoke = maps["probability"] >= THRESHOLD
    assert reply["camera_id"] == "ridge-1.north"
    assert reply["captured_at"] == "2026-05-01T12:00:00Z"
    assert reply["model"] == {
        "name": "smoke-test",
        "version": "0.0.1",
        "sha256": model.manifest.sha256,
        "provider": "cpu",
        "precision": "fp32",
        "threshold": THRESHOLD,
        "operating_point": None,
    }
    assert reply["frame"] == {"width": 64, "height": 48}
    assert reply["smoke"] == {
        "detected": True,
        "area_fraction": 0.25,
        "max_probability": pytest.approx(0.8),
        "region_count": 1,
    }
    for name in ("total", "aleatoric", "epistemic"):
        assert reply["uncertainty"]["frame"][name] == pytest.approx(maps[name].mean(), abs=1e-6)
        assert reply["uncertainty"]["smoke"][name] == pytest.approx(maps[name][smoke].mean(), abs=1e-6)
    assert reply["overlay"] is None


def test_a_damaged_file_is_answered_and_said_to_be_damaged(client):
    body = file_of(noisy(3, 96, 64), "JPEG")
    at = body.index(b"\xff\xda") + 200
    for sent, damaged in ((body, False), (body[:at] + body[at + 1_000 :], True), (body[:-2], True)):
        reply = client.post("/segment?camera_id=ridge", content=sent).json()
        assert (reply["frame"], reply["damaged"]) == ({"width": 96, "height": 64}, damaged)
        (camera,) = client.get("/cameras").json()["cameras"]
        assert ("damaged" in camera["flags"]) == damaged


def test_a_region_is_placed_on_the_frame_with_the_means_of_its_pixels(client):
    frame = plume()
    reply = post(client, frame).json()
    maps = closed_form(fit(frame, 32))
    smoke = maps["probability"] >= THRESHOLD
    (region,) = reply["regions"]
    assert region["bbox"] == {"x": 16, "y": 0, "width": 16, "height": 48}
    assert region["area_px"] == 16 * 48
    assert region["mean_probability"] == pytest.approx(0.8)
    for name in ("total", "aleatoric", "epistemic"):
        assert region[name] == pytest.approx(maps[name][smoke].mean(), abs=1e-6)
    assert (region["doubted"], reply["assessment"]) == (False, "smoke")


@pytest.mark.parametrize(("limit", "doubted"), [(0.1, True), (0.3, False)])
def test_the_gate_of_the_manifest_decides_what_is_doubted_and_it_is_smoke_all_the_same(
    open_client, tmp_path, limit, doubted
):
    """Epistemic doubt of the plume: green .4, of which blue leaves .8, so .32 ln 2 = .22 nats."""
    gated = open_model(build_release(tmp_path, gate=Gate({"epistemic": 1.0}, limit)), RuntimeOptions(provider="cpu"))
    client = open_client(gated)
    replies = [
        post(client, plume(), f"camera_id=ridge&captured_at=2026-08-01T12:00:0{second}Z").json() for second in range(3)
    ]
    assert {(reply["assessment"], reply["regions"][0]["doubted"]) for reply in replies} == {("smoke", doubted)}
    assert replies[-1]["alarm"]["state"] == "alarm"
    assert client.get("/model").json()["gate"] == {"weights": {"epistemic": 1.0}, "limit": limit}


@pytest.mark.parametrize(("limit", "unfamiliar"), [(0.5, True), (3.0, False)])
def test_a_reply_tells_how_novel_the_frame_is_and_a_camera_is_flagged_for_it_without_a_loss_to_its_alarm(
    open_client, tmp_path, limit, unfamiliar
):
    told = open_model(build_release(tmp_path, novelty_limit=limit), RuntimeOptions(provider="cpu"))
    client, score = open_client(told), closed_novelty(fit(plume(), 32))
    replies = [
        post(client, plume(), f"camera_id=ridge&captured_at=2026-08-01T12:00:0{second}Z").json() for second in range(3)
    ]
    for reply in (*replies, post(client, plume()).json()):
        assert reply["novelty"] == {"score": pytest.approx(score, rel=1e-5), "limit": limit, "unfamiliar": unfamiliar}
        assert SegmentResponse.model_validate(reply).novelty.unfamiliar is unfamiliar
        assert client.get("/model").json()["novelty_limit"] == limit
    assert replies[-1]["alarm"]["state"] == "alarm"
    (camera,) = client.get("/cameras").json()["cameras"]
    assert ("unfamiliar" in camera["flags"]) is unfamiliar
    exposed = client.get("/metrics").text
    assert f'smoke_camera_image_quality{{camera="ridge",flag="unfamiliar"}} {float(unfamiliar)}' in exposed
    assert 'smoke_camera_novelty_count{camera="ridge"} 3.0' in exposed


def test_a_release_that_tells_no_novelty_is_answered_by_as_before(open_client):
    client = open_client()
    reply = post(client, plume(), "camera_id=ridge").json()
    assert reply["novelty"] is None
    (camera,) = client.get("/cameras").json()["cameras"]
    assert "unfamiliar" not in camera["flags"]
    exposed = client.get("/metrics").text
    assert 'smoke_camera_image_quality{camera="ridge",flag="unfamiliar"} 0.0' in exposed
    assert "smoke_camera_novelty_count" not in exposed


def test_a_noisy_frame_cannot_blow_up_the_reply(open_client, tmp_path):
    small = open_model(build_release(tmp_path, minimum_region=0.0), RuntimeOptions(provider="cpu"))
    dots = plain(0, 0, 0)
    dots[::2, ::2] = 255
    reply = post(open_client(small), dots).json()
    assert reply["smoke"]["region_count"] == 256
    assert len(reply["regions"]) == 32


def test_total_is_aleatoric_and_epistemic_through_the_whole_service(client):
    doubt = post(client, noisy(5)).json()["uncertainty"]["frame"]
    assert doubt["total"] == pytest.approx(doubt["aleatoric"] + doubt["epistemic"], abs=1e-6)


def test_a_calm_frame_stays_dark_in_its_uncertainty_maps(client):
    reply = post(client, plain(0, 3, 128)).json()
    assert np.unique(levels(reply, "total")).tolist() == [3]


@pytest.mark.parametrize("picture_format", ["JPEG", "PNG", "WEBP"])
def test_each_format_is_answered_alike(client, picture_format):
    body = file_of(plain(204, 0, 0, 64, 48), picture_format)
    reply = client.post("/segment", content=body, headers={"Content-Type": f"image/{picture_format.lower()}"}).json()
    assert reply["smoke"]["area_fraction"] == 1.0
    assert reply["smoke"]["max_probability"] == pytest.approx(0.8, abs=3 / 255)


def test_without_a_smoke_pixel_there_is_no_doubt_about_smoke(client):
    reply = post(client, plain(127, 255, 0)).json()
    nothing = {"detected": False, "area_fraction": 0.0, "region_count": 0}
    assert reply["smoke"] == {**nothing, "max_probability": pytest.approx(127 / 255)}
    assert (reply["regions"], reply["assessment"]) == ([], "clear")
    assert reply["uncertainty"]["smoke"] is None
    assert reply["uncertainty"]["frame"]["total"] == pytest.approx(LN2, rel=1e-6)


def test_a_threshold_moves_the_mask_and_the_detection(client):
    frame = plain(127, 0, 0)
    for threshold, level in ((0.49, 255), (0.51, 0)):
        reply = post(client, frame, f"threshold={threshold}").json()
        assert reply["smoke"]["detected"] == (level == 255)
        assert np.unique(levels(reply, "mask")).tolist() == [level]


def test_the_exif_rotation_turns_frame_and_maps_alike(client):
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6  # the camera lay on its left side: what was stored at the left belongs on top
    frame = plain(0, 0, 0, 64, 32)
    frame[:, :32] = (255, 0, 0)
    body = file_of(frame, "PNG", exif=exif)
    reply = client.post("/segment?resolution=frame", content=body).json()
    assert reply["frame"] == {"width": 32, "height": 64}
    assert levels(reply, "mask")[:30].min() == 255
    assert levels(reply, "mask")[34:].max() == 0


def test_no_outputs_give_the_numbers_alone(client):
    reply = post(client, plume(), "outputs=").json()
    assert (reply["maps"], reply["overlay"]) == ({}, None)
    assert reply["smoke"]["detected"]


def test_an_output_asked_for_twice_is_given_once(client):
    assert list(post(client, plume(), "outputs=mask,total,mask").json()["maps"]) == ["mask", "total"]


def test_the_reply_says_how_long_each_stage_took(client):
    answer = post(client, plume())
    latency_ms = answer.json()["latency_ms"]
    assert list(latency_ms) == ["read", "decode", "queue", "inference", "encode", "total"]
    assert 0 < sum(list(latency_ms.values())[:-1]) <= latency_ms["total"]
    stages = dict(part.split(";dur=") for part in answer.headers["Server-Timing"].split(", "))
    assert {stage: float(value) for stage, value in stages.items()} == pytest.approx(latency_ms)


def test_each_request_has_an_id_in_header_and_body(client):
    first, second = post(client, plume()), post(client, plume())
    assert first.headers["X-Request-ID"] == first.json()["request_id"]
    assert first.json()["request_id"] != second.json()["request_id"]


def test_a_callers_own_request_id_is_kept_if_it_is_harmless(client):
    assert post(client, plume(), **{"X-Request-ID": "cam-7.0042"}).json()["request_id"] == "cam-7.0042"
    assert post(client, plume(), **{"X-Request-ID": "<script>"}).json()["request_id"] != "<script>"


def test_a_reply_is_neither_sniffed_nor_stored(client):
    headers = post(client, plume()).headers
    assert (headers["X-Content-Type-Options"], headers["Cache-Control"]) == ("nosniff", "no-store")
