"""Which cameras are remembered, and what a frame does to its own."""

import asyncio

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from models.detection import Detection
from models.drift import Histogram
from models.geometry import Box, Region
from service.cameras.alarm import Acknowledgement, AlarmState, Arrival
from service.cameras.alarm_status import AlarmTransition
from service.cameras.camera import VIEWS_MAX
from service.cameras.evidence import AlarmPolicy
from service.cameras.metrics import CameraMetrics
from service.cameras.observation import FrameObservation
from service.cameras.pictures.health import FRAMES_MIN
from service.cameras.registry import Cameras
from service.cameras.rules import CameraFile, Rule, Rules
from service.pipeline.detections import FrameResult, MeanUncertainty, SmokeRegion, SmokeStats
from service.pipeline.image_stats import ImageStats

NOISE = np.random.default_rng(0)


def stats(brightness: float = 0.5) -> ImageStats:
    return ImageStats(NOISE.integers(0, 256, (160, 160), dtype=np.uint8), brightness, 0.2, 0.5, 0.0)


def region(left: int = 40, *, doubted: bool = False) -> SmokeRegion:
    """A region of 10 x 10 of 100 x 100 pixels."""
    detection = Detection(Region(left, 40, 10, 10, 100, 1), 0.01, 0.9, 0.4, 0.3, 0.1)
    return SmokeRegion(Box(left, 40, 10, 10), 100, detection, doubted)


def result(*regions: SmokeRegion) -> FrameResult:
    uncertainty = MeanUncertainty(0.4, 0.3, 0.1) if regions else None
    return FrameResult(
        SmokeStats(bool(regions), 0.01 * len(regions), 0.9), MeanUncertainty(0.04, 0.03, 0.01), uncertainty, regions
    )


class Fleet:
    """Cameras with their metrics, a clock, and what was told."""

    def __init__(self, most: int = 2) -> None:
        self.registry = CollectorRegistry()
        self.told: list[AlarmTransition] = []
        self.cameras = Cameras(most, CameraFile(None, AlarmPolicy()), CameraMetrics(self.registry), self.told.append)
        self.now_s = 1_000.0
        self.reference: dict[str, Histogram] = {}

    def frame(
        self, camera_id: str, *regions: SmokeRegion, brightness: float = 0.5, view: str = "", damaged: bool = False
    ):
        self.now_s += 60.0
        seen = (self.now_s, self.now_s, result(*regions), 100, stats(brightness))
        frame = FrameObservation(*seen, view=view, damaged=damaged)
        return asyncio.run(self.cameras.observe(camera_id, frame, self.reference))

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


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


def test_an_alarm_in_another_view_than_the_acknowledged_one_is_told(fleet):
    turn(fleet, 3)
    asyncio.run(fleet.cameras.acknowledge(fleet.cameras.get("pan"), "anna", 77.0))
    turn(fleet, 3, smoky="west")
    assert [(change.view, change.acknowledged) for change in fleet.told if change.after is AlarmState.ALARM] == [
        ("east", None),
        ("east", Acknowledgement("anna", 77.0)),
        ("west", None),
    ]


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


def test_a_late_frame_is_answered_with_the_state_as_it_is(fleet):
    fleet.frame("ridge", region())
    frame = FrameObservation(fleet.now_s - 30.0, fleet.now_s + 1.0, result(), 100, stats())
    now = asyncio.run(fleet.cameras.observe("ridge", frame, {}))
    assert (now.arrival, now.state, now.frames) == (Arrival.LATE, AlarmState.SUSPECTED, 1)


def test_the_same_frame_again_changes_nothing(fleet):
    fleet.frame("ridge", region())
    before = generate_latest(fleet.registry)
    again = FrameObservation(fleet.now_s, fleet.now_s + 1.0, result(region(), region(70)), 100, stats(0.01))
    for _ in range(3):
        assert asyncio.run(fleet.cameras.observe("ridge", again, {})).arrival is Arrival.DUPLICATE
    assert generate_latest(fleet.registry) == before
    camera = fleet.cameras.get("ridge")
    assert (camera.frames, camera.regions, camera.health.quality_flags) == (1, (region(),), frozenset())


def test_a_camera_that_was_silent_for_a_day_is_forgotten_and_its_alarm_ends():
    fleet = Fleet(most=3)
    for _ in range(3):
        fleet.frame("burnt", region())
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


@pytest.mark.parametrize("step_s", [1e8, -1e8])
def test_an_alarm_lasts_when_the_clock_of_this_machine_is_set(step_s):
    """As on a machine without a clock of its own, once it hears of the time."""
    fleet = Fleet()
    for _ in range(3):
        fleet.now_s += 60.0
        stamped = fleet.now_s + max(0.0, step_s)
        asyncio.run(
            fleet.cameras.observe("ridge", FrameObservation(stamped, fleet.now_s, result(region()), 100, stats()), {})
        )
    fleet.now_s += step_s
    fleet.cameras.clock_set(step_s)
    asyncio.run(fleet.cameras.evict_expired(fleet.now_s))
    assert fleet.cameras.get("ridge").alarm.state is AlarmState.ALARM
    for _ in range(5):
        assert fleet.frame("ridge", region()).state is AlarmState.ALARM
    assert sum(change.after is AlarmState.ALARM for change in fleet.told) == 1
