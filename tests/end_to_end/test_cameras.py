"""Alarms in a real process: they outlive a kill, and the rules change without a restart."""

import time

from tests.pictures import file_of, plain, plume


def post(client, frame, minute: int) -> dict:
    query = f"camera_id=ridge&captured_at=2026-05-01T12:{minute:02}:00Z&outputs="
    return client.post(f"/segment?{query}", content=file_of(frame)).json()["alarm"]


def until(condition, most_s: float = 60.0) -> None:
    end_s = time.perf_counter() + most_s
    while not condition():
        assert time.perf_counter() < end_s
        time.sleep(0.05)


def test_an_alarm_outlives_a_kill(start, tmp_path):
    state = tmp_path / "state.json"
    server = start(SMOKE_STATE_FILE=str(state))
    with server.client() as client:
        assert [post(client, plume(), minute)["state"] for minute in range(3)][-1] == "alarm"
    until(lambda: state.exists() and '"alarm"' in state.read_text())
    server.process.kill()
    server.wait()
    with start(SMOKE_STATE_FILE=str(state)).client() as client:
        alarm = client.get("/cameras/ridge").json()["alarm"]
        assert (alarm["state"], alarm["restored"]) == ("alarm", True)
        assert post(client, plain(0, 0, 0), 3)["state"] == "alarm"


def test_new_rules_are_in_force_without_a_restart_and_broken_ones_are_said(start, tmp_path):
    rules = tmp_path / "cameras.toml"
    rules.write_text("")
    server = start(SMOKE_CAMERAS_FILE=str(rules))
    with server.client() as client:
        assert post(client, plume(), 0)["state"] == "suspected"
        rules.write_text("[camera.ridge]\nhits = 2\n")
        until(lambda: sum(line["message"] == "cameras file read" for line in server.log) == 2)
        assert post(client, plume(), 1)["state"] == "alarm"
        rules.write_text("[camera.ridge]\nhits = 'two'\n")
        until(lambda: client.get("/cameras").json()["cameras_file_error"] is not None)
        assert "camera.ridge.hits" in client.get("/cameras").json()["cameras_file_error"]
        assert post(client, plume(), 2)["state"] == "alarm"
