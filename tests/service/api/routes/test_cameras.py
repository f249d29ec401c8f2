"""Cameras over HTTP: the reply's alarm, the list, and what people say."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from service.api.auth import Scope, make
from service.cameras.alarm import ALARM_ID
from tests.pictures import file_of, noisy, plain, plume
from training.evaluation.feedback import Watch, by_threshold


def post(client, frame, camera_id="ridge", minute=0, **headers):
    query = f"camera_id={camera_id}&captured_at=2026-05-01T12:{minute:02}:00Z&outputs="
    return client.post(f"/segment?{query}", content=file_of(frame), headers=headers).json()


def test_the_reply_carries_the_alarm_and_frames_of_no_camera_have_none(client):
    states = [post(client, plume(), minute=minute)["alarm"] for minute in range(3)]
    assert [alarm["state"] for alarm in states] == ["suspected", "suspected", "alarm"]
    assert [alarm["id"] for alarm in states[:2]] == [None, None]
    assert re.fullmatch(ALARM_ID, states[2].pop("id"))
    assert states[2] == {
        "state": "alarm",
        "since": "2026-05-01T12:02:00.000Z",
        "score": 1.0,
        "frames": 3,
        "restored": False,
        "arrival": "counted",
        "view": None,
        "view_changed": False,
    }
    assert client.post("/segment?outputs=", content=file_of(plume())).json()["alarm"] is None


def test_a_region_says_for_how_long_smoke_has_been_there_where_its_frame_counts(client):
    replies = [post(client, plume(), minute=minute) for minute in (0, 1, 3)]
    assert [reply["regions"][0]["persistence_s"] for reply in replies] == [0.0, 60.0, 180.0]
    assert client.get("/cameras/ridge").json()["regions"][0]["persistence_s"] == 180.0
    late = post(client, plain(204, 0, 0), minute=2)
    assert (late["alarm"]["arrival"], late["regions"][0]["persistence_s"]) == ("late", None)
    of_nobody = client.post("/segment?outputs=", content=file_of(plume())).json()
    assert of_nobody["regions"][0]["persistence_s"] is None


def test_an_alarm_is_acknowledged_by_name_and_only_while_it_is_one(client):
    assert client.post("/cameras/ridge/acknowledge").status_code == 404
    post(client, plume())
    early = client.post("/cameras/ridge/acknowledge?by=anna")
    assert (early.status_code, early.json()["detail"]) == (
        404,
        "found camera ridge in state suspected, expected it in alarm",
    )
    for minute in (1, 2):
        post(client, plume(), minute=minute)
    taken = client.post("/cameras/ridge/acknowledge?by=anna").json()
    assert (taken["alarm"]["state"], taken["acknowledged"]["by"]) == ("alarm", "anna")
    assert client.post("/cameras/ridge/acknowledge?by=ben").json()["acknowledged"] == taken["acknowledged"]
    assert client.post("/cameras/ridge/acknowledge?by=").status_code == 422


def test_a_late_frame_is_answered_and_flagged(client):
    before = post(client, plume(), minute=5)["alarm"]
    after = post(client, plain(0, 0, 0), minute=4)
    assert after["assessment"] == "clear"
    assert after["alarm"] == {**before, "arrival": "late"}


def test_a_duplicate_is_the_same_bytes_under_the_same_stamp_and_another_picture_under_it_counts(client):
    before = post(client, plume(), minute=5)["alarm"]
    after = post(client, plume(), minute=5)
    assert after["assessment"] == "smoke"
    assert after["alarm"] == {**before, "arrival": "duplicate"}
    assert post(client, plain(0, 0, 0), minute=5)["alarm"]["arrival"] == "counted"


def test_a_camera_whose_clock_is_fast_alarms_and_its_clock_is_flagged_and_counted(client):
    stamp = (datetime.now(UTC) + timedelta(seconds=70)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for red in (200, 210, 220):
        query = f"camera_id=ridge&captured_at={stamp}&outputs="
        answer = client.post(f"/segment?{query}", content=file_of(plain(red, 0, 0))).json()
    assert (answer["alarm"]["state"], answer["alarm"]["arrival"]) == ("alarm", "ahead")
    assert "clock" in client.get("/cameras/ridge").json()["flags"]
    metrics = client.get("/metrics").text
    assert 'smoke_camera_arrivals_total{arrival="ahead",camera="ridge"} 3.0' in metrics
    assert 'smoke_camera_image_quality{camera="ridge",flag="clock"} 1.0' in metrics
    (skew,) = re.findall(r'smoke_camera_clock_skew_seconds{camera="ridge"} (\S+)', metrics)
    assert 55 < float(skew) < 71


STAMPS = {
    "fast": lambda number: 62 + number,
    "zone ahead": lambda number: 7_200 + 10 * number,
    "slow": lambda number: 10 * number - 3_600,
    "set back": lambda number: 10 * number - (3_600 if number > 1 else 100),
    "cut to the minute": lambda number: -120 + number // 6 * 60,
    "stuck": lambda _: -30,
    "stuck in the future": lambda _: 86_400,
}


@pytest.mark.parametrize("clock", STAMPS)
def test_twelve_frames_with_smoke_are_an_alarm_whatever_the_clock_says(client, clock):
    now = datetime.now(UTC)
    for number in range(12):
        stamp = (now + timedelta(seconds=STAMPS[clock](number))).strftime("%Y-%m-%dT%H:%M:%SZ")
        query = f"camera_id=ridge&captured_at={stamp}&outputs="
        states = client.post(f"/segment?{query}", content=file_of(plain(200 + number, 0, 0))).json()["alarm"]["state"]
    assert states == "alarm"
    assert "clock" in client.get("/cameras/ridge").json()["flags"]


def test_throw_away_ids_do_not_keep_a_camera_from_its_alarm(open_client):
    client = open_client(cameras_max=5)
    for number in range(3):
        state = post(client, plume(), "ridge", number)["alarm"]["state"]
        for other in range(12):
            post(client, plain(0, 0, 0), f"spray-{number}-{other}", number)
    assert state == "alarm"
    assert 'smoke_camera_evictions_total{reason="room"} 27.0' in client.get("/metrics").text


def test_a_camera_that_turns_alarms_by_view_and_says_so(client):
    for minute in range(9):
        view, frame = ("east", plume()) if minute % 3 == 0 else (f"other-{minute % 3}", plain(0, 0, 0))
        query = f"camera_id=pan&view={view}&captured_at=2026-05-01T12:{minute:02}:00Z&outputs="
        alarm = client.post(f"/segment?{query}", content=file_of(frame)).json()["alarm"]
    assert alarm["state"] == "alarm"
    camera = client.get("/cameras/pan").json()
    assert {name: view["state"] for name, view in camera["views"].items()} == {
        "east": "alarm",
        "other-1": "clear",
        "other-2": "clear",
    }


@pytest.mark.parametrize("query", ["view=east", "camera_id=a&view=e+ast", "camera_id=a&view="])
def test_a_view_of_no_camera_or_of_no_name_is_refused(client, query):
    assert client.post(f"/segment?{query}", content=file_of(plume())).status_code == 422


def test_a_time_before_anybody_counted_is_no_failure(client):
    query = "camera_id=a&captured_at=0001-01-01T00:00:00%2B14:00"
    assert client.post(f"/segment?{query}", content=file_of(plume())).status_code == 200


def test_the_cameras_are_listed_with_the_alarming_one_first(client):
    for minute in range(3):
        post(client, plain(0, 0, 0), "a", minute)
        post(client, plume(), "ridge", minute)
    listed = client.get("/cameras").json()
    assert [camera["camera_id"] for camera in listed["cameras"]] == ["ridge", "a"]
    assert listed["cameras_file_error"] is None
    ridge = client.get("/cameras/ridge").json()
    assert ridge == listed["cameras"][0]
    assert (ridge["frames"], ridge["assessment"], ridge["label"]) == (3, "smoke", "ridge")
    assert "frozen" in ridge["flags"]
    assert [region["area_px"] for region in ridge["regions"]] == [16 * 48]


def test_an_unknown_camera_is_a_problem(client):
    answer = client.get("/cameras/nobody")
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:smoke-bvm:problem:camera_unknown")
    assert client.post("/cameras/nobody/feedback", json={"verdict": "true_alarm"}).status_code == 404
    assert client.get("/cameras/a%20b").status_code == 422


def test_feedback_is_counted_and_appended_line_by_line(open_client, tmp_path):
    file = tmp_path / "feedback.jsonl"
    client = open_client(feedback_file=file)
    post(client, plume())
    for verdict in ("false_alarm", "true_alarm"):
        answer = client.post("/cameras/ridge/feedback", json={"verdict": verdict, "note": "steam\nof a plant"})
        assert answer.json() == {"camera_id": "ridge", "verdict": verdict, "written": True, "alarm_id": None}
    first, second = (json.loads(line) for line in file.read_text().splitlines())
    assert (first["verdict"], second["verdict"]) == ("false_alarm", "true_alarm")
    assert (first["camera_id"], first["note"], first["alarm"]["state"]) == ("ridge", "steam\nof a plant", "suspected")
    assert first["model"]["version"] == "0.0.1"
    (region,) = first["regions"]
    assert (region["bbox"], region["doubted"]) == ({"x": 16, "y": 0, "width": 16, "height": 48}, False)
    assert 'smoke_camera_feedback_total{camera="ridge",verdict="false_alarm"} 1.0' in client.get("/metrics").text


def test_feedback_says_where_the_alarm_would_have_been_silent_and_training_reads_it(open_client, model, tmp_path):
    file = tmp_path / "feedback.jsonl"
    client = open_client(feedback_file=file)
    for minute in range(3):
        post(client, plume(), minute=minute)
        client.post("/cameras/ridge/feedback", json={"verdict": "true_alarm"})
    suspected, _, alarm = (json.loads(line) for line in file.read_text().splitlines())
    assert (suspected["threshold"], suspected["silent_above"]) == (0.5, None)
    assert (alarm["alarm"]["state"], alarm["threshold"], alarm["silent_above"]) == ("alarm", 0.5, pytest.approx(0.8))
    found = by_threshold(file, model.manifest, Watch())
    assert (found["left_out"], found["unknown"], found["alarms"]) == (2, 0, {"true_alarm": 1, "false_alarm": 0})
    lost = {row["threshold"]: not row["true_alarms"] for row in found["rows"]}
    assert [lost[level / 256] for level in (200, 208)] == [False, True]  # .78 and .81


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 400, "body"),
        (b"[]", 422, "found [], expected a JSON object of verdict"),
        (b"{", 422, "expected a JSON object of verdict"),
        (b'{"verdict": "maybe"}', 422, "verdict: found 'maybe', expected true_alarm or false_alarm"),
        (b"{}", 422, "verdict: found nothing, expected true_alarm or false_alarm"),
        (b'{"verdict": "true_alarm", "mint": 1}', 422, "mint"),
        (b'{"verdict": "true_alarm", "note": "' + b"a" * 501 + b'"}', 422, "expected at most 500 characters"),
        (b'{"verdict": "true_alarm", "note": "' + b"a" * 5000 + b'"}', 413, "4096 bytes"),
    ],
)
def test_feedback_that_means_nothing_is_refused_in_words(client, body, status, words):
    post(client, plume())
    answer = client.post("/cameras/ridge/feedback", content=body)
    assert answer.status_code == status
    assert words in answer.json()["detail"]


@pytest.mark.parametrize("scope", [Scope.OPERATOR, Scope.ADMIN])
def test_a_camera_reads_but_only_an_operator_or_an_administrator_judges(open_client, tmp_path, scope):
    gateway, gateways_entry = make("gateway", [Scope.INFER])
    operator, operators_entry = make("operator", [scope])
    (tmp_path / "keys.toml").write_text(gateways_entry + operators_entry)
    client = open_client(api_keys_file=tmp_path / "keys.toml")
    post(client, plume(), **{"X-API-Key": gateway})
    assert client.get("/cameras").status_code == 401
    assert client.get("/cameras/ridge", headers={"X-API-Key": gateway}).status_code == 200
    verdict = {"verdict": "true_alarm"}
    assert client.post("/cameras/ridge/feedback", json=verdict, headers={"X-API-Key": gateway}).status_code == 403
    assert client.post("/cameras/ridge/feedback", json=verdict, headers={"X-API-Key": operator}).status_code == 200


def test_the_metrics_of_a_camera_are_exposed_and_those_of_none_are_not(client):
    client.post("/segment?outputs=", content=file_of(noisy()))
    assert 'camera="' not in client.get("/metrics").text
    post(client, plume())
    exposed = client.get("/metrics").text
    assert 'smoke_camera_alarm_state{camera="ridge",state="suspected"} 1.0' in exposed
    assert 'smoke_camera_uncertainty_nats_count{camera="ridge",kind="epistemic",region="smoke"} 1.0' in exposed


def test_feedback_that_cannot_be_written_is_refused_and_counted(open_client, tmp_path, caplog):
    folder = tmp_path / "feedback"
    folder.mkdir()
    client = open_client(feedback_file=folder / "said.jsonl")
    post(client, plume())
    folder.rmdir()
    answer = client.post("/cameras/ridge/feedback", json={"verdict": "true_alarm"})
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:smoke-bvm:problem:feedback_unwritable")
    metrics = client.get("/metrics").text
    assert 'smoke_file_ok{file="feedback"} 0.0' in metrics
    assert 'smoke_file_ok{file="state"}' not in metrics
    assert "smoke_camera_feedback_total{" not in metrics
    assert "feedback cannot be written" in caplog.text
    folder.mkdir()
    assert client.post("/cameras/ridge/feedback", json={"verdict": "true_alarm"}).json()["written"] is True
    assert 'smoke_file_ok{file="feedback"} 1.0' in client.get("/metrics").text
