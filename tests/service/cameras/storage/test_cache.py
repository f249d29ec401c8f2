"""Which cameras are remembered, and which makes room."""

import pytest
from prometheus_client import generate_latest

from service.cameras.alarm import AlarmState
from tests.service.cameras.fleet import Fleet, region


def test_more_cameras_than_labels_share_one(fleet):
    for camera_id in ("a", "b", "c", "d"):
        fleet.frame(camera_id)
    assert [camera.label for camera in fleet.cameras] == ["a", "b", "other", "other"]
    assert fleet.value("smoke_camera_frames_total", camera="other") == 2.0


def test_an_alarm_among_those_that_share_a_label_is_seen_whoever_sends_next(fleet):
    for camera_id in ("a", "b", *["c"] * 3, "d"):
        fleet.frame(camera_id, *([region()] if camera_id == "c" else []))
    assert fleet.value("smoke_camera_alarm_state", camera="other", state="alarm") == 1.0
    assert fleet.value("smoke_camera_alarm_state", camera="other", state="clear") == 1.0


def test_ids_made_up_by_the_thousand_are_forgotten_again_and_displace_nobody(fleet):
    fleet.frame("a")
    for number in range(1000):
        fleet.frame(f"spray-{number}")
        if number % 20 == 0:
            fleet.frame("a")
    assert len(list(fleet.cameras)) == 4
    assert fleet.cameras.get("a").label == "a"
    names = {
        line.split('camera="')[1].split('"')[0]
        for line in generate_latest(fleet.registry).decode().splitlines()
        if 'camera="' in line
    }
    assert len(names) <= 3


def test_a_label_that_was_silent_for_an_hour_goes_to_a_new_camera_with_all_its_series(fleet):
    fleet.frame("old")
    fleet.frame("b")
    fleet.now_s += 3700.0
    fleet.frame("b")
    fleet.frame("new")
    assert [camera.label for camera in fleet.cameras] == ["b", "new"]
    assert 'camera="old"' not in generate_latest(fleet.registry).decode()


def test_an_alarming_camera_is_never_forgotten(fleet):
    for camera_id in "abcd":
        for _ in range(3):
            fleet.frame(camera_id, region())
    fleet.now_s += 7200.0
    assert fleet.frame("e", region()) is None
    assert {camera.id for camera in fleet.cameras} == set("abcd")


@pytest.mark.parametrize("smoky", [False, True], ids=["clear", "with smoke in them"])
def test_ids_made_up_between_its_frames_do_not_keep_a_camera_from_its_alarm(smoky):
    fleet = Fleet(most=5)
    for number in range(5):
        fleet.frame(f"named-{number}")
    states = []
    for number in range(3):
        states.append(fleet.frame("ridge", region()).state)
        for other in range(20):
            fleet.now_s -= 59.0
            fleet.frame(f"spray-{number}-{other}", *([region()] if smoky else []))
    assert states == [AlarmState.SUSPECTED, AlarmState.SUSPECTED, AlarmState.ALARM]
    assert fleet.value("smoke_camera_evictions_total", reason="room") == 3 * 20 - 4
    assert fleet.value("smoke_camera_evictions_total", reason="silence") == 0


def test_smoke_that_nobody_saw_again_does_not_hold_a_place(fleet):
    for camera_id in "abcd":
        fleet.frame(camera_id, region())
    fleet.now_s += 1_000.0
    for _ in range(3):
        now = fleet.frame("ridge", region())
        fleet.frame("passing", region())
    assert now.state is AlarmState.ALARM


def test_a_frame_that_there_is_no_room_for_is_counted(fleet):
    assert fleet.value("smoke_camera_frames_unwatched_total") == 0
    for camera_id in "abcd":
        for _ in range(3):
            fleet.frame(camera_id, region())
    assert fleet.frame("e", region()) is None
    assert fleet.value("smoke_camera_frames_unwatched_total") == 1


def test_a_camera_that_calls_itself_other_is_one_of_them(fleet):
    fleet.frame("other")
    assert fleet.cameras.get("other").label == "other"
