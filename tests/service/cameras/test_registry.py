"""What a frame does to its camera, and what is told of it."""

import asyncio

import numpy as np
import pytest
from prometheus_client import generate_latest

from models.drift import Histogram
from service.cameras.alarm import Acknowledgement, AlarmState, Arrival
from service.cameras.alarm_status import AlarmTransition
from service.cameras.clock import Stamp
from service.cameras.evidence import AlarmPolicy
from service.cameras.observation import FrameObservation
from service.cameras.pictures.health import FRAMES_MIN
from service.cameras.rules import Rule
from service.pipeline.detections import FrameNovelty
from tests.service.cameras.fleet import Fleet, region, result, stats


def test_three_frames_with_smoke_raise_one_alarm_and_it_is_told_once(fleet):
    states = [fleet.frame("ridge", region()).state for _ in range(5)]
    assert states == [AlarmState.SUSPECTED, AlarmState.SUSPECTED, AlarmState.ALARM, AlarmState.ALARM, AlarmState.ALARM]
    assert [(change.before, change.after) for change in fleet.told] == [
        (AlarmState.CLEAR, AlarmState.SUSPECTED),
        (AlarmState.SUSPECTED, AlarmState.ALARM),
    ]
    assert fleet.told[1].boxes == ((0.4, 0.4, 0.5, 0.5),)
    assert fleet.value("smoke_camera_alarms_total", camera="ridge") == 1.0


def test_smoke_in_damaged_pictures_alone_is_looked_at_by_a_person_and_raises_an_alarm_after_twice_as_many(fleet):
    states = [fleet.frame("ridge", region(), damaged=True).state for _ in range(6)]
    assert states.pop() is AlarmState.ALARM
    assert states == [AlarmState.SUSPECTED] * 2 + [AlarmState.REVIEW] * 3
    assert "damaged" in fleet.cameras.get("ridge").health.quality_flags
    assert fleet.value("smoke_camera_image_quality", camera="ridge", flag="damaged") == 1.0
    assert [fleet.frame("ridge", region()).state for _ in range(2)][-1] is AlarmState.ALARM
    assert fleet.value("smoke_camera_image_quality", camera="ridge", flag="damaged") == 0.0


@pytest.mark.parametrize("novelty", [FrameNovelty(8.0, 3.0), FrameNovelty(2.0, 3.0), None])
def test_pictures_unlike_those_that_the_model_knows_are_flagged_and_alarm_as_any(fleet, novelty):
    states = [fleet.frame("ridge", region(), novelty=novelty).state for _ in range(3)]
    assert states == [AlarmState.SUSPECTED, AlarmState.SUSPECTED, AlarmState.ALARM]
    flagged = novelty is not None and novelty.unfamiliar
    assert ("unfamiliar" in fleet.cameras.get("ridge").health.quality_flags) is flagged
    assert fleet.value("smoke_camera_image_quality", camera="ridge", flag="unfamiliar") == float(flagged)
    assert fleet.value("smoke_camera_novelty_sum", camera="ridge") == (3 * novelty.score if novelty else None)
    fleet.frame("ridge", novelty=FrameNovelty(1.0, 3.0))
    assert fleet.value("smoke_camera_image_quality", camera="ridge", flag="unfamiliar") == 0.0


def test_the_novelty_of_a_new_camera_is_held_against_what_its_release_was_tested_on(fleet):
    fleet.reference = {"novelty": Histogram((0.5, 1.0, 3.0), (0.5, 0.5))}
    for _ in range(FRAMES_MIN):
        fleet.frame("like", novelty=FrameNovelty(1.0, 3.0))
        fleet.frame("unlike", novelty=FrameNovelty(4.0, 3.0))
    assert fleet.value("smoke_camera_drift_psi", camera="like", quantity="novelty") < 0.05
    assert fleet.value("smoke_camera_drift_psi", camera="unlike", quantity="novelty") > 4


def test_an_acknowledged_alarm_stays_one_and_is_told_once_and_no_more_until_it_ends(fleet):
    for _ in range(3):
        fleet.frame("ridge", region())
    camera, before = fleet.cameras.get("ridge"), len(fleet.told)
    asyncio.run(fleet.cameras.acknowledge(camera, "anna", 77.0))
    asyncio.run(fleet.cameras.acknowledge(camera, "ben", 78.0))
    assert [(change.before, change.after, change.acknowledged) for change in fleet.told[before:]] == [
        (AlarmState.ALARM, AlarmState.ALARM, Acknowledgement("anna", 77.0))
    ]
    for _ in range(3):
        fleet.frame("ridge", region(), region(70))
    assert (camera.alarm.state, len(camera.alarm.places), len(fleet.told)) == (AlarmState.ALARM, 2, before + 1)
    for _ in range(5):
        fleet.frame("ridge")
    assert fleet.told[-1].after is not AlarmState.ALARM
    assert camera.alarm.acknowledged is None
    fleet.now_s += 1_000.0
    for _ in range(3):
        fleet.frame("ridge", region())
    assert (fleet.told[-1].after, fleet.told[-1].acknowledged) == (AlarmState.ALARM, None)


def test_the_state_is_one_hot_in_the_metrics(fleet):
    for _ in range(3):
        fleet.frame("ridge", region())
    hot = {state: fleet.value("smoke_camera_alarm_state", camera="ridge", state=state) for state in AlarmState}
    assert hot == {state: float(state is AlarmState.ALARM) for state in AlarmState}


def test_every_number_of_a_frame_stands_in_the_metrics(fleet):
    fleet.frame("ridge", region(), region(70, doubted=True))
    assert fleet.value("smoke_camera_frames_total", camera="ridge") == 1.0
    assert fleet.value("smoke_camera_last_frame_timestamp_seconds", camera="ridge") == fleet.now_s
    assert fleet.value("smoke_camera_smoke_area_ratio", camera="ridge") == 0.02
    assert fleet.value("smoke_camera_assessments_total", camera="ridge", assessment="smoke") == 1.0
    assert fleet.value("smoke_camera_detections_total", camera="ridge") == 2.0
    assert fleet.value("smoke_camera_suspected_false_alarms_total", camera="ridge") == 1.0
    assert fleet.value("smoke_camera_suspected_false_alarm_ratio", camera="ridge") == 0.5
    for part, total in (("frame", 0.04), ("smoke", 0.4)):
        labels = {"camera": "ridge", "kind": "total", "region": part}
        assert fleet.value("smoke_camera_uncertainty_nats_sum", **labels) == pytest.approx(total)
    assert fleet.value("smoke_camera_image_quality", camera="ridge", flag="fogged") == 0.0


def test_a_picture_that_is_dark_says_so(fleet):
    fleet.frame("ridge", brightness=0.05)
    assert fleet.value("smoke_camera_image_quality", camera="ridge", flag="dark") == 1.0


def test_a_drift_is_told_once_there_are_enough_frames(fleet):
    fleet.reference = {"brightness": Histogram((0.6, 0.8, 1.0), (0.5, 0.5))}
    for _ in range(FRAMES_MIN):
        assert fleet.value("smoke_camera_drift_psi", camera="ridge", quantity="brightness") is None
        fleet.frame("ridge")
    assert fleet.value("smoke_camera_drift_psi", camera="ridge", quantity="brightness") > 10


@pytest.mark.parametrize(("minutes", "alarm"), [(4.0, True), (50.0, False)])
def test_damaged_pictures_are_looked_back_on_for_twice_as_long(fleet, minutes, alarm):
    for _ in range(8):
        fleet.now_s += 60.0 * (minutes - 1)
        state = fleet.frame("ridge", region(), damaged=True).state
    assert (state is AlarmState.ALARM) is alarm


def test_doubted_smoke_raises_an_alarm_and_is_counted_as_a_suspected_false_alarm(fleet):
    states = [fleet.frame("ridge", region(doubted=True)).state for _ in range(3)]
    assert states[-1] is AlarmState.ALARM
    assert fleet.value("smoke_camera_suspected_false_alarms_total", camera="ridge") == 3.0


def test_smoke_at_an_ignored_place_stands_in_the_reply_and_raises_no_alarm(fleet):
    ignored = np.zeros((200, 200), np.uint8)
    ignored[:, 70:110] = 1
    fleet.cameras.file.rules = type(fleet.cameras.file.rules)(Rule(AlarmPolicy(), ignored))
    assert [fleet.frame("ridge", region(40)).state for _ in range(4)] == [AlarmState.CLEAR] * 4
    assert [fleet.frame("ridge", region(40), region(70)).state for _ in range(3)][-1] is AlarmState.ALARM
    assert fleet.cameras.get("ridge").views[""].boxes == ((0.7, 0.4, 0.8, 0.5),)


def test_frames_without_an_answer_are_counted_by_camera_and_whoever_sends_only_such_gets_no_label(fleet):
    fleet.frame("ridge")
    fleet.cameras.refused("ridge", "frame_broken")
    for number in range(1000):
        fleet.cameras.refused(f"made-up-{number}", "service_full")
    refusals = "smoke_camera_refusals_total"
    assert fleet.value(refusals, camera="ridge", reason="frame_broken") == 1
    assert fleet.value(refusals, camera="other", reason="service_full") == 1000
    assert "made-up" not in generate_latest(fleet.registry).decode()
    assert fleet.cameras.get("made-up-1") is None
    fleet.frame("b")
    fleet.now_s += 3700.0
    fleet.frame("b")
    fleet.frame("new")
    assert fleet.value(refusals, camera="ridge", reason="frame_broken") is None


def test_a_late_frame_is_answered_with_the_state_as_it_is(fleet):
    fleet.frame("ridge", region())
    frame = FrameObservation(Stamp(fleet.now_s - 30.0, fleet.now_s + 1.0), result(), 100, stats())
    now = asyncio.run(fleet.cameras.observe("ridge", frame, {}))
    assert (now.arrival, now.state, now.frames) == (Arrival.LATE, AlarmState.SUSPECTED, 1)


def test_the_same_frame_again_changes_nothing(fleet):
    fleet.frame("ridge", region())
    before = generate_latest(fleet.registry)
    again = FrameObservation(Stamp(fleet.now_s, fleet.now_s + 1.0), result(region(), region(70)), 100, stats(0.01))
    for _ in range(3):
        assert asyncio.run(fleet.cameras.observe("ridge", again, {})).arrival is Arrival.DUPLICATE
    assert generate_latest(fleet.registry) == before
    camera = fleet.cameras.get("ridge")
    assert (camera.frames, camera.regions, camera.health.quality_flags) == (1, (region(),), frozenset())


def test_a_camera_that_was_silent_for_a_day_is_forgotten_and_its_alarm_ends():
    fleet = Fleet(most=3)
    for _ in range(3):
        fleet.frame("burnt", region(), novelty=FrameNovelty(1.0, 3.0))
    fleet.frame("calm")
    fleet.now_s += 86_000.0
    fleet.frame("alive", region())
    asyncio.run(fleet.cameras.evict_expired(fleet.now_s))
    assert {camera.id for camera in fleet.cameras} == {"burnt", "calm", "alive"}
    fleet.now_s += 700.0
    asyncio.run(fleet.cameras.evict_expired(fleet.now_s))
    assert {camera.id for camera in fleet.cameras} == {"alive"}
    assert fleet.value("smoke_camera_evictions_total", reason="silence") == 2
    ended = AlarmTransition("burnt", AlarmState.ALARM, AlarmState.CLEAR, fleet.now_s, 0.0, 0, ())
    assert fleet.told[-1] == ended._replace(alarm_id=fleet.told[1].alarm_id)
    assert 'camera="burnt"' not in generate_latest(fleet.registry).decode()


def test_an_alarm_that_ended_by_silence_no_longer_stands_with_the_others(fleet):
    for camera_id in "abc":
        for _ in range(3):
            fleet.frame(camera_id, region())
    assert fleet.value("smoke_camera_alarm_state", camera="other", state="alarm") == 1.0
    asyncio.run(fleet.cameras.evict_expired(fleet.now_s + 86_401.0))
    assert fleet.value("smoke_camera_alarm_state", camera="other", state="alarm") == 0.0


@pytest.mark.parametrize("step_s", [1e8, -1e8])
def test_an_alarm_lasts_when_the_clock_of_this_machine_is_set(step_s):
    """As on a machine without a clock of its own, once it hears of the time."""
    fleet = Fleet()
    for _ in range(3):
        fleet.now_s += 60.0
        stamped = fleet.now_s + max(0.0, step_s)
        asyncio.run(
            fleet.cameras.observe(
                "ridge", FrameObservation(Stamp(stamped, fleet.now_s), result(region()), 100, stats()), {}
            )
        )
    fleet.now_s += step_s
    fleet.cameras.clock_set(step_s)
    asyncio.run(fleet.cameras.evict_expired(fleet.now_s))
    assert fleet.cameras.get("ridge").alarm.state is AlarmState.ALARM
    for _ in range(5):
        assert fleet.frame("ridge", region()).state is AlarmState.ALARM
    assert sum(change.after is AlarmState.ALARM for change in fleet.told) == 1
