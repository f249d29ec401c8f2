"""A camera that turns: its views, each with an alarm of its own."""

import asyncio

from service.cameras.alarm import Acknowledgement, AlarmState
from service.cameras.camera import VIEWS_MAX
from service.cameras.evidence import AlarmPolicy
from service.cameras.rules import Rules
from tests.service.cameras.fleet import Fleet, region


def test_an_alarm_in_another_view_than_the_acknowledged_one_is_told(fleet):
    turn(fleet, 3)
    asyncio.run(fleet.cameras.acknowledge(fleet.cameras.get("pan"), "anna", 77.0))
    turn(fleet, 3, smoky="west")
    assert [(change.view, change.acknowledged) for change in fleet.told if change.after is AlarmState.ALARM] == [
        ("east", None),
        ("east", Acknowledgement("anna", 77.0)),
        ("west", None),
    ]


def turn(fleet: Fleet, rounds: int, smoky: str = "east") -> list[AlarmState]:
    """A camera that turns to three presets, with smoke at different places in two of them; the states after each frame."""
    states = []
    for _ in range(rounds):
        states.append(fleet.frame("pan", view="north").state)
        states.append(fleet.frame("pan", region(), view=smoky).state)
        states.append(fleet.frame("pan", view="south").state)
    return states


def test_a_camera_that_turns_alarms_for_smoke_in_one_of_its_views_and_says_which(fleet):
    states = turn(fleet, 4)
    assert states.index(AlarmState.ALARM) == 7
    assert set(states[7:]) == {AlarmState.ALARM}
    views = fleet.cameras.get("pan").views
    assert {name: view.alarm.state for name, view in views.items() if name} == {
        "north": AlarmState.CLEAR,
        "east": AlarmState.ALARM,
        "south": AlarmState.CLEAR,
    }
    assert [(change.after, change.view) for change in fleet.told] == [
        (AlarmState.SUSPECTED, "east"),
        (AlarmState.ALARM, "east"),
    ]
    assert fleet.value("smoke_camera_alarm_state", camera="pan", state="alarm") == 1.0
    assert fleet.value("smoke_camera_alarms_total", camera="pan") == 1.0


def test_the_same_place_in_two_views_is_not_one_place(fleet):
    states = [fleet.frame("pan", region(), view=view).state for view in ("a", "b", "c", "d", "a", "b", "c", "d")]
    assert AlarmState.ALARM not in states


def test_an_alarm_in_another_view_is_told_beside_the_one_that_lasts(fleet):
    turn(fleet, 3)
    turn(fleet, 3, smoky="west")
    assert [change.view for change in fleet.told if change.after is AlarmState.ALARM] == ["east", "west"]


def test_a_camera_of_many_views_has_as_much_longer_to_come_round(fleet):
    views = [f"preset-{number}" for number in range(12)]
    for _ in range(3):
        states = [fleet.frame("pan", *([region()] if view == "preset-7" else []), view=view).state for view in views]
    assert states[-1] is AlarmState.ALARM


def test_views_made_up_by_the_hundred_are_bounded_and_displace_no_smoke(fleet):
    for number in range(300):
        if number % 100 == 0:
            state = fleet.frame("pan", region(), view="east").state
        fleet.now_s -= 55.0
        fleet.frame("pan", view=f"spray-{number}")
    assert state is AlarmState.ALARM
    assert len(fleet.cameras.get("pan").views) == VIEWS_MAX + 1


def test_a_view_that_is_gone_for_a_day_ends_its_alarm(fleet):
    turn(fleet, 3)
    fleet.now_s += 86_000.0
    fleet.frame("pan", view="north")
    fleet.now_s += 700.0
    asyncio.run(fleet.cameras.evict_expired(fleet.now_s))
    assert [name for name in fleet.cameras.get("pan").views if name] == ["north"]
    assert (fleet.told[-1].before, fleet.told[-1].after) == (AlarmState.ALARM, AlarmState.CLEAR)


def test_a_camera_that_keeps_turning_without_naming_its_views_is_flagged_until_it_does(fleet):
    for _ in range(7):
        fleet.frame("pan")
    assert fleet.value("smoke_camera_image_quality", camera="pan", flag="panning") == 1.0
    fleet.frame("pan", view="east")
    assert fleet.value("smoke_camera_image_quality", camera="pan", flag="panning") == 0.0


def test_a_camera_that_names_more_views_than_are_remembered_is_flagged(fleet):
    for number in range(VIEWS_MAX):
        fleet.frame("pan", view=f"angle-{number}")
    assert fleet.value("smoke_camera_image_quality", camera="pan", flag="panning") == 0.0
    fleet.frame("pan", view="angle-359")
    assert fleet.value("smoke_camera_image_quality", camera="pan", flag="panning") == 1.0
    fleet.frame("pan", view="angle-359")
    assert fleet.value("smoke_camera_image_quality", camera="pan", flag="panning") == 0.0


def test_each_view_may_ignore_places_of_its_own(fleet):
    text = "[camera.pan.view.east]\nignore = [[[0.3, 0.3], [0.6, 0.3], [0.6, 0.6], [0.3, 0.6]]]"
    fleet.cameras.file.rules = Rules.parse(text, AlarmPolicy())
    assert AlarmState.ALARM not in turn(fleet, 5)
    assert AlarmState.ALARM in turn(fleet, 5, smoky="west")
