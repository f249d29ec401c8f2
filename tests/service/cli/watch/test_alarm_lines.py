"""A line whenever an alarm or a review begins or ends, and no other."""

import json

from service.cli.watch.alarm_lines import AlarmLines


def lines_of(*states: str | None, camera_id: str = "ridge") -> list[dict]:
    written: list[str] = []
    lines = AlarmLines(written.append)
    for number, state in enumerate(states):
        alarm = {"state": state, "since": None, "score": 1.0, "frames": number, "restored": False} if state else None
        reply = {
            "camera_id": camera_id,
            "alarm": alarm,
            "assessment": "smoke",
            "regions": [],
            "novelty": {"score": 4.0, "limit": 3.0, "unfamiliar": True},
            "captured_at": str(number),
        }
        lines.answered(reply, view="east")
    assert all("\n" not in line for line in written)
    return [json.loads(line) for line in written]


def test_an_alarm_is_told_when_it_begins_and_when_it_ends():
    began, ended = lines_of("clear", "suspected", "alarm", "alarm", "clear", "suspected", "clear")
    assert (began["before"], began["after"], began["captured_at"]) == ("suspected", "alarm", "2")
    assert (ended["before"], ended["after"], ended["captured_at"]) == ("alarm", "clear", "4")
    assert (began["camera_id"], began["view"], began["frames"]) == ("ridge", "east", 2)
    assert began["novelty"] == {"score": 4.0, "limit": 3.0, "unfamiliar": True}


def test_a_review_is_told_too_and_suspicion_is_not():
    assert [line["after"] for line in lines_of("suspected", "review", "alarm", "suspected", "clear")] == [
        "review",
        "alarm",
        "suspected",
    ]


def test_an_alarm_that_was_remembered_has_nothing_before_it():
    (line,) = lines_of("alarm", "alarm")
    assert (line["before"], line["after"]) == (None, "alarm")


def test_a_camera_that_is_not_watched_has_no_line():
    assert lines_of(None, None) == []
