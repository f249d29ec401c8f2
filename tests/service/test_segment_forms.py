"""The forms of an answer of `POST /segment`: maps as pictures or floats, overlay, polygons, run lengths; their sizes and scales."""

import base64
import math

import numpy as np
import orjson
import pytest
import shapely
from pycocotools import mask as coco

from tests.conftest import THRESHOLD, closed_form
from tests.pictures import array_of, floats_of, noisy, plain, plume
from tests.service.test_segment_route import levels, post

SPAN = {
    "mask": (0, 1, "1"),
    "probability": (0, 1, "1"),
    **dict.fromkeys(("total", "aleatoric", "epistemic"), (0, math.log(2), "nat")),
}


def floats(reply: dict, name: str) -> np.ndarray:
    return floats_of(base64.b64decode(reply["maps"][name]["data"]), name)


def test_the_default_maps_are_mask_total_and_aleatoric_at_the_models_size(client):
    reply = post(client, plume()).json()
    assert list(reply["maps"]) == ["mask", "total", "aleatoric"]
    assert {(entry["width"], entry["height"]) for entry in reply["maps"].values()} == {(32, 32)}


def test_every_map_holds_the_closed_form_on_its_fixed_scale(client):
    frame = noisy(4)
    reply = post(client, frame, "outputs=mask,probability,total,aleatoric,epistemic").json()
    maps = closed_form(frame) | {"mask": (closed_form(frame)["probability"] >= THRESHOLD).astype(np.float32)}
    for name, (minimum, maximum, unit) in SPAN.items():
        entry = reply["maps"][name]
        assert (entry["minimum"], entry["maximum"], entry["unit"]) == (minimum, maximum, unit)
        assert (entry["encoding"], entry["dtype"]) == ("png", "uint8")
        restored = minimum + levels(reply, name) / 255 * (maximum - minimum)
        assert np.abs(restored - maps[name]).max() <= (maximum - minimum) / 510 + 1e-6


def test_as_npz_every_map_holds_the_models_own_floats(open_client, obedient):
    client, frame = open_client(obedient), noisy(4)
    reply = post(client, frame, "encoding=npz&outputs=probability,total,aleatoric,epistemic").json()
    for name, values in closed_form(frame).items():
        entry = reply["maps"][name]
        assert (entry["encoding"], entry["dtype"], entry["width"], entry["height"]) == ("npz", "float32", 32, 32)
        assert (entry["minimum"], entry["maximum"], entry["unit"]) == SPAN[name]
        assert floats(reply, name).dtype == np.float32
        np.testing.assert_array_equal(floats(reply, name), values)


def test_as_npz_the_mask_is_bool_and_follows_the_threshold(open_client, obedient):
    client, frame = open_client(obedient), noisy(6)
    for query, threshold in (("", THRESHOLD), ("&threshold=0.9", 0.9)):
        reply = post(client, frame, f"encoding=npz&outputs=mask{query}").json()
        assert (reply["maps"]["mask"]["dtype"], floats(reply, "mask").dtype) == ("bool", np.bool_)
        np.testing.assert_array_equal(floats(reply, "mask"), closed_form(frame)["probability"] >= threshold)


def test_the_encoding_changes_nothing_but_the_maps(client):
    pictures, arrays = (post(client, plume(), f"encoding={encoding}").json() for encoding in ("png", "npz"))
    assert list(arrays["maps"]) == ["mask", "total", "aleatoric"]
    for reply in (pictures, arrays):
        del reply["request_id"], reply["latency_ms"], reply["maps"]
    assert arrays == pictures


@pytest.mark.parametrize("query", ["encoding=npz&outputs=total,mask,overlay", "outputs=total&resolution=frame", ""])
def test_files_large_and_small_stand_in_json_as_they_would_in_any_of_its_strings(client, query):
    frame = noisy(8, 900, 700)
    reply, mixed = (post(client, frame, query, Accept=accepted) for accepted in ("application/json", "multipart/mixed"))
    told = reply.json()
    assert reply.content == orjson.dumps(told)
    shown = [*told["maps"].values(), *([told["overlay"]] if told["overlay"] else [])]
    assert all(base64.b64decode(file["data"], validate=True) in mixed.content for file in shown)


def test_beside_an_npz_the_overlay_is_a_picture_of_the_frames_size(client):
    reply = post(client, plume(), "encoding=npz&outputs=probability,overlay").json()
    assert (reply["overlay"]["encoding"], reply["overlay"]["width"], reply["overlay"]["height"]) == ("jpeg", 64, 48)
    assert array_of(base64.b64decode(reply["overlay"]["data"])).shape == (48, 64, 3)
    assert floats(reply, "probability").shape == (32, 32)


def test_a_larger_frame_makes_no_larger_npz(client):
    small, large = (post(client, noisy(8, side, side), "encoding=npz&tiles=2x2").json()["maps"] for side in (32, 200))
    assert [len(entry["data"]) for entry in large.values()] == [len(entry["data"]) for entry in small.values()]


def test_unless_asked_otherwise_maps_are_pngs_with_the_fields_they_always_had(client):
    entries = post(client, plume(), "outputs=mask,probability,total,aleatoric,epistemic").json()["maps"]
    for entry in entries.values():
        assert list(entry) == ["encoding", "dtype", "width", "height", "minimum", "maximum", "unit", "data"]
        assert (entry["encoding"], entry["dtype"]) == ("png", "uint8")
        assert base64.b64decode(entry["data"]).startswith(b"\x89PNG")


def test_maps_at_the_frames_resolution_have_the_frames_size(client):
    reply = post(client, plain(51, 102, 0, 80, 40), "resolution=frame&outputs=probability,total").json()
    for name, level in (("probability", 51), ("total", 102)):
        np.testing.assert_array_equal(levels(reply, name), np.full((40, 80), level))


def test_the_overlay_is_the_frame_with_its_smoke_drawn_on(client):
    reply = post(client, plume(), "outputs=overlay").json()
    assert reply["maps"] == {}
    assert (reply["overlay"]["encoding"], reply["overlay"]["width"], reply["overlay"]["height"]) == ("jpeg", 64, 48)
    picture = array_of(base64.b64decode(reply["overlay"]["data"])).astype(int)
    assert np.abs(picture[:, 48:] - (26, 51, 128)).max() < 16
    assert picture[16:32, 22:26].mean(axis=(0, 1)) == pytest.approx((222, 89, 44), abs=16)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools 2.0.11 with numpy 2
def test_polygons_and_run_lengths_are_the_mask_at_the_frames_size(client):
    frame = plain(0, 51, 128, 96, 64)
    frame[8:40, 12:60] = (204, 102, 51)
    frame[16:32, 24:48] = 0
    reply = post(client, frame, "outputs=mask,polygons,rle&resolution=frame").json()
    mask = levels(reply, "mask") == 255
    np.testing.assert_array_equal(coco.decode(reply["rle"]).astype(bool), mask)
    (feature,) = reply["polygons"]["features"]
    assert (reply["polygons"]["type"], feature["type"]) == ("FeatureCollection", "Feature")
    assert feature["properties"] == {"region": 0}
    outline = shapely.geometry.shape(feature["geometry"])
    assert outline.is_valid
    assert outline.area == mask.sum()
    assert len(outline.geoms[0].interiors) == 1
    row, column = np.mgrid[:64, :96] + 0.5
    np.testing.assert_array_equal(shapely.contains_xy(outline, column, row), mask)


def test_a_frame_without_smoke_has_no_polygon_and_empty_run_lengths(client):
    reply = post(client, plain(0, 51, 128), "outputs=polygons,rle").json()
    assert reply["polygons"] == {"type": "FeatureCollection", "features": []}
    assert coco.area(reply["rle"]) == 0
    assert post(client, plain(0, 51, 128), "outputs=").json()["rle"] is None


def test_an_overlay_can_be_had_without_loss(client):
    frame = plume()
    reply = post(client, frame, "outputs=overlay&overlay_encoding=png").json()["overlay"]
    assert reply["encoding"] == "png"
    drawn = array_of(base64.b64decode(reply["data"]))
    np.testing.assert_array_equal(drawn[:, 40:], frame[:, 40:])
    assert (drawn[:, 20:28] != frame[:, 20:28]).any(axis=2).all()
