"""Alarms over HTTP: listed, paged, with their pictures, judged, and as they were after a restart."""

import json
import time

import numpy as np
import pytest
from starlette.testclient import TestClient

from service.alarms import archive
from service.api.auth import Scope, make
from service.runtime.slot import LoadedModel
from service.server.app import create_app
from service.settings import Settings
from tests.pictures import array_of, file_of, noisy, plain, plume

MISSING = "20260801T120000123Z-0123456789abcdef"


def post(client, frame, camera_id="ridge", minute=0, picture_format="PNG", **headers):
    query = f"camera_id={camera_id}&captured_at=2026-05-01T12:{minute:02}:00Z"
    answer = client.post(f"/segment?{query}", content=file_of(frame, picture_format), headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def raise_alarm(client, camera_id="ridge", start=0, **headers) -> dict:
    """Three frames with smoke; what was answered to the last."""
    return [post(client, plume(), camera_id, start + minute, **headers) for minute in range(3)][-1]


def clear(client, camera_id="ridge", start=10) -> None:
    for minute in range(5):
        post(client, plain(0, 0, minute), camera_id, start + minute)


def once(model, **chosen) -> TestClient:
    """An application that is stopped before the test is over."""
    settings = Settings.load(wait_max_ms=600_000, decode_max_s=0, **chosen)
    return TestClient(create_app(settings, lambda: LoadedModel(model, lambda: model)))


@pytest.fixture
def no_pause(monkeypatch):
    monkeypatch.setattr(archive, "_PAUSE_S", 0.0)


def test_an_alarm_is_listed_from_its_first_frame_to_its_end_without_a_picture_unless_there_is_a_folder(client):
    assert client.get("/alarms").json() == {"alarms": [], "next": None, "keeps_pictures": False}
    alarm_id = raise_alarm(client)["alarm"]["id"]
    (listed,) = client.get("/alarms").json()["alarms"]
    assert listed == {
        "id": alarm_id,
        "camera_id": "ridge",
        "view": None,
        "state": "active",
        "started_at": "2026-05-01T12:02:00.000Z",
        "cleared_at": None,
        "score": 1.0,
        "area_fraction": 0.25,
        "acknowledged": None,
        "feedback": None,
        "frames": {},
        "link": f"alarms/{alarm_id}",
    }
    clear(client)
    ended = client.get(f"/alarms/{alarm_id}").json()
    assert (ended["state"], ended["started_at"]) == ("cleared", listed["started_at"])
    assert ended["cleared_at"] == "2026-05-01T12:13:00.000Z"
    answer = client.get(f"/alarms/{alarm_id}/frame.jpg")
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:smoke-bvm:problem:picture_unknown")
    assert "SMOKE_ALARM_DIR" in answer.json()["detail"]


def test_who_took_an_alarm_on_stands_with_it_at_once_after_its_end_and_after_a_restart(model, tmp_path):
    kept = {"alarm_dir": tmp_path / "alarms", "state_file": tmp_path / "state.json"}
    with once(model, **kept) as client:
        alarm_id = raise_alarm(client)["alarm"]["id"]
        taken = client.post("/cameras/ridge/acknowledge?by=anna").json()["acknowledged"]
        assert taken["by"] == "anna"
        assert client.get(f"/alarms/{alarm_id}").json()["acknowledged"] == taken
        clear(client)
        ended = client.get(f"/alarms/{alarm_id}").json()
        assert (ended["state"], ended["acknowledged"]) == ("cleared", taken)
    with once(model, **kept) as client:
        assert client.get(f"/alarms/{alarm_id}").json() == ended


def test_alarms_are_paged_from_the_newest_on_and_told_by_camera(client):
    for camera_id in ("a", "b", "a", "c"):
        raise_alarm(client, camera_id)
        clear(client, camera_id)
    # The second alarm of camera a came while its place cooled down: three alarms in all.
    first = client.get("/alarms?limit=2").json()
    assert [alarm["camera_id"] for alarm in first["alarms"]] == ["c", "b"]
    rest = client.get(f"/alarms?limit=2&before={first['next']}").json()
    assert ([alarm["camera_id"] for alarm in rest["alarms"]], rest["next"]) == (["a"], None)
    of_b = client.get("/cameras/b/alarms").json()["alarms"]
    assert of_b == [first["alarms"][1]]
    assert client.get("/cameras/nobody/alarms").json()["alarms"] == []


@pytest.mark.usefixtures("no_pause")
def test_the_first_frame_the_one_with_the_most_smoke_and_the_latest_are_kept_with_their_outlines(open_client, tmp_path):
    client = open_client(alarm_dir=tmp_path / "alarms")
    first = raise_alarm(client)
    alarm_id = first["alarm"]["id"]
    assert (
        client.get(f"/alarms/{alarm_id}/frame.jpg").status_code == 200
    )  # Waited for: a message may come before it is there.
    wide = plume()
    wide[:, 16:48] = wide[0, 20]
    strongest = post(client, wide, minute=3)
    assert client.get(f"/alarms/{alarm_id}/frame.jpg").status_code == 200
    latest = post(client, plain(26, 51, 128, 64, 48), minute=4, picture_format="JPEG")
    assert client.get(f"/alarms/{alarm_id}/frame.jpg").status_code == 200
    kept = client.get(f"/alarms/{alarm_id}").json()["frames"]
    expected = {"first": first, "strongest": strongest, "latest": latest}
    for role, reply in expected.items():
        assert kept[role]["request_id"] == reply["request_id"]
        told = client.get("/" + kept[role]["reply"])
        assert told.headers["content-type"] == "application/json"
        assert told.json() == {**reply, "maps": {}}
        photograph, drawn = (client.get("/" + kept[role][name]) for name in ("frame", "overlay"))
        assert photograph.headers["content-type"] == drawn.headers["content-type"] == "image/jpeg"
        assert array_of(photograph.content).shape == array_of(drawn.content).shape == (48, 64, 3)
    assert [kept[role]["area_fraction"] for role in expected] == [0.25, 0.5, 0.0]
    frame, drawn = (
        array_of(client.get("/" + kept["first"][name]).content).astype(int) for name in ("frame", "overlay")
    )
    changed = np.abs(frame - drawn).max(axis=2) > 10
    assert changed[8:40, 18:30].mean() > 0.9  # inside the band of smoke
    assert changed[8:40, 40:].mean() < 0.01
    names = {f"{number}.{name}" for number in range(3) for name in ("frame.jpg", "overlay.jpg", "reply.json")}
    folder = tmp_path / "alarms" / alarm_id
    for _ in range(200):
        if {file.name for file in folder.iterdir()} == names | {"alarm.json"}:
            return
        time.sleep(0.05)  # The record is written after the frames.
    raise AssertionError(sorted(file.name for file in folder.iterdir()))


def test_a_jpeg_is_kept_as_it_came(open_client, tmp_path):
    client = open_client(alarm_dir=tmp_path)
    for minute in range(3):
        reply = post(client, plume(), minute=minute, picture_format="JPEG")
    kept = client.get(f"/alarms/{reply['alarm']['id']}/frame.jpg?which=first").content
    assert kept == file_of(plume(), "JPEG")


def test_alarms_and_pictures_survive_a_restart_and_an_alarm_that_lasts_goes_on(open_client, model, tmp_path):
    chosen = {"alarm_dir": tmp_path / "alarms", "state_file": tmp_path / "state.json"}
    with once(model, **chosen) as client:
        raise_alarm(client, "ended")
        clear(client, "ended")
        lasting = raise_alarm(client, "lasting")["alarm"]["id"]
        client.post("/cameras/ended/feedback", json={"verdict": "false_alarm", "note": "steam"})
        picture = client.get(f"/alarms/{lasting}/overlay.jpg").content
        before = client.get("/alarms").json()
    again = open_client(**chosen)
    assert again.get("/alarms").json() == before
    assert [alarm["state"] for alarm in before["alarms"]] == ["active", "cleared"]
    assert before["alarms"][1]["feedback"]["note"] == "steam"
    assert again.get(f"/alarms/{lasting}/overlay.jpg").content == picture
    assert post(again, plume(), "lasting", 3)["alarm"]["id"] == lasting
    clear(again, "lasting")
    assert [alarm["state"] for alarm in again.get("/alarms").json()["alarms"]] == ["cleared", "cleared"]


def test_without_a_state_file_an_alarm_ends_with_the_process(open_client, model, tmp_path):
    with once(model, alarm_dir=tmp_path) as client:
        alarm_id = raise_alarm(client)["alarm"]["id"]
    again = open_client(alarm_dir=tmp_path)
    assert again.get(f"/alarms/{alarm_id}").json()["state"] == "cleared"


def test_feedback_is_about_the_alarm_that_is_named_or_that_of_the_frame_or_the_last_one(open_client, tmp_path):
    file = tmp_path / "feedback.jsonl"
    client = open_client(alarm_dir=tmp_path / "alarms", feedback_file=file, alarm_cooldown_s=0)
    replies = []
    for start in (0, 20):
        replies.append(raise_alarm(client, start=start))
        client.get(f"/alarms/{replies[-1]['alarm']['id']}/frame.jpg")  # waits until it is kept
        clear(client, start=start + 10)
    first, second = (reply["alarm"]["id"] for reply in replies)

    def judge(**said) -> str:
        return client.post("/cameras/ridge/feedback", json={"verdict": "false_alarm", **said}).json()["alarm_id"]

    assert judge(alarm_id=first) == first
    assert judge(request_id=replies[0]["request_id"]) == first
    assert judge(request_id=replies[1]["request_id"], note="fog") == second
    assert judge() == second
    assert judge(verdict="true_alarm", alarm_id=second, note="fire") == second
    said = {alarm["id"]: alarm["feedback"] for alarm in client.get("/alarms").json()["alarms"]}
    assert {name: (told["verdict"], told["note"]) for name, told in said.items()} == {
        first: ("false_alarm", ""),
        second: ("true_alarm", "fire"),
    }
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["alarm_id"] for line in lines] == [first, first, second, second, second]
    assert (lines[0]["alarm"]["state"], lines[0]["alarm"]["since"]) == ("alarm", "2026-05-01T12:02:00.000Z")
    assert lines[0]["silent_above"] == pytest.approx(0.8)


def test_feedback_on_an_alarm_of_another_camera_is_refused(client):
    alarm_id = raise_alarm(client)["alarm"]["id"]
    post(client, noisy(), "lake")
    for camera_id, named in (("lake", alarm_id), ("ridge", MISSING)):
        said = {"verdict": "true_alarm", "alarm_id": named}
        answer = client.post(f"/cameras/{camera_id}/feedback", json=said)
        assert (answer.status_code, answer.json()["type"]) == (404, "urn:smoke-bvm:problem:alarm_unknown")
    assert client.get("/alarms").json()["alarms"][0]["feedback"] is None


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        (f"/alarms/{MISSING}", 404, "alarm_unknown"),
        (f"/alarms/{MISSING}/frame.jpg", 404, "alarm_unknown"),
        ("/alarms/..%2f..%2fetc%2fpasswd", 404, "not_found"),
        ("/alarms/%2e%2e/frame.jpg", 422, "parameter_invalid"),
        (f"/alarms/{MISSING}%00/frame.jpg", 422, "parameter_invalid"),
        (f"/alarms/{MISSING}/frame.jpg?which=../alarm", 422, "parameter_invalid"),
        (f"/alarms/{MISSING}/alarm.json", 404, "not_found"),
        ("/alarms?limit=0", 422, "parameter_invalid"),
        ("/alarms?limit=101", 422, "parameter_invalid"),
        ("/alarms?before=x", 422, "parameter_invalid"),
    ],
)
def test_what_is_not_there_and_what_is_no_id_is_refused(client, path, status, reason):
    answer = client.get(path)
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:smoke-bvm:problem:{reason}")


def test_a_key_that_reads_cameras_reads_alarms_and_their_pictures_and_no_other_does(open_client, tmp_path):
    gateway, gateways_entry = make("gateway", [Scope.INFER])
    watcher, watchers_entry = make("watcher", [Scope.METRICS])
    (tmp_path / "keys.toml").write_text(gateways_entry + watchers_entry)
    client = open_client(api_keys_file=tmp_path / "keys.toml", alarm_dir=tmp_path / "alarms")
    alarm_id = raise_alarm(client, **{"X-API-Key": gateway})["alarm"]["id"]
    for path in ("", f"/{alarm_id}", *(f"/{alarm_id}/{name}" for name in ("frame.jpg", "overlay.jpg", "reply.json"))):
        assert client.get(f"/alarms{path}").status_code == 401
        assert client.get(f"/alarms{path}", headers={"X-API-Key": watcher}).status_code == 403
        assert client.get(f"/alarms{path}", headers={"X-API-Key": gateway}).status_code == 200
    assert client.get("/cameras/ridge/alarms").status_code == 401
