"""A camera that is moved or turned is told from its pictures, and what is remembered of a view comes back with it."""

import asyncio

import numpy as np
import pytest

from service.cameras.alarm import AlarmState
from service.cameras.clock import Stamp
from service.cameras.observation import FrameObservation
from service.cameras.pictures.scenes import NEW_AFTER, SCENES_MAX, SceneTracker, view_edges
from service.pipeline.image_stats import image_stats
from tests.service.cameras.fleet import Fleet, region, result
from tests.service.cameras.pictures.test_health import foggy, presets

PICTURES = {number: image_stats(presets(number)) for number in range(SCENES_MAX + 2)}


def shown(*pictures: int) -> list[str]:
    tracker = SceneTracker()
    names = []
    for number in pictures:
        tracker.take(view_edges(PICTURES[number].thumbnail))
        names.append(tracker.showing)
    return names


def test_three_frames_alike_are_a_new_view_and_one_that_is_known_is_shown_at_once():
    assert shown(0, 0, 1, 1, 1, 0, 1, 2, 2, 2) == ["", "", "", "", "auto-2", "", "auto-2", "auto-2", "auto-2", "auto-3"]


def test_a_picture_or_two_of_something_else_change_nothing():
    assert set(shown(0, 1, 0, 1, 1, 0, 1, 2, 3, 4, 5, 1, 2, 3, 0)) == {""}


def test_of_many_views_the_one_shown_longest_ago_is_no_longer_known():
    tour = [number for number in range(SCENES_MAX + 1) for _ in range(NEW_AFTER)]
    names = shown(*tour, 2, 0)
    assert names[-3:] == [f"auto-{SCENES_MAX + 1}", "auto-3", "auto-3"]  # the picture 0 is known no more


class Turning(Fleet):
    """A camera whose frames name no view."""

    def show(self, picture: int, *regions, seconds: float = 60.0):
        self.now_s += seconds
        frame = FrameObservation(Stamp(self.now_s, self.now_s), result(*regions), 100, PICTURES[picture])
        return asyncio.run(self.cameras.observe("ridge", frame, {}))

    def stay(self, picture: int, frames: int, *regions):
        return [self.show(picture, *regions) for _ in range(frames)][-1]


@pytest.fixture
def turning() -> Turning:
    return Turning()


def test_an_alarm_waits_for_the_camera_to_come_back_and_goes_on_as_the_same(turning):
    raised = turning.stay(0, 3, region())
    assert (raised.state, raised.view, raised.view_changed) == (AlarmState.ALARM, "", False)
    for _ in range(20):
        away = turning.show(1)
    assert (away.view, away.state, away.id) == ("auto-2", AlarmState.ALARM, raised.id)
    back = turning.show(0, region())
    assert (back.view, back.view_changed, back.state, back.id) == ("", True, AlarmState.ALARM, raised.id)
    # Three frames, two more before the turn was known for one, and this one; the eighteen in between are no time.
    assert back.persistence == (300.0,)
    assert [change.after for change in turning.told] == [AlarmState.SUSPECTED, AlarmState.ALARM]


def test_smoke_at_one_place_of_the_picture_in_two_views_is_not_one_place(turning):
    turning.stay(0, 1)
    turning.stay(1, 3)
    turning.stay(0, 2, region())
    assert turning.stay(1, 2, region()).state is AlarmState.SUSPECTED
    assert turning.show(0, region()).state is AlarmState.ALARM


def test_after_a_turn_smoke_raises_an_alarm_as_soon_as_it_would_have_without(turning):
    turning.stay(0, 5)
    states = [turning.show(1, region()) for _ in range(3)]
    assert [status.state for status in states][-1] is AlarmState.ALARM
    assert [status.view_changed for status in states] == [False, False, True]
    assert turning.told[-1].view == "auto-2"
    assert turning.cameras.get("ridge").views[""].alarm.state is AlarmState.CLEAR
    assert turning.value("smoke_camera_view_changes_total", camera="ridge") == 1.0


def test_fog_and_darkness_are_no_turn(turning):
    turning.stay(0, 3)
    for number in range(6):
        turning.now_s += 60
        fog = image_stats(foggy(0.9 + 0.002 * number))
        frame = FrameObservation(Stamp(turning.now_s, turning.now_s), result(), 100, fog)
        assert asyncio.run(turning.cameras.observe("ridge", frame, {})).view == ""


def test_a_camera_that_shakes_and_whose_light_changes_is_not_turned():
    tracker, random = SceneTracker(), np.random.default_rng(1)
    for number in range(24):
        frame = np.roll(presets(0), random.integers(-15, 16, 2), axis=(0, 1))
        lit = (frame * (0.6 + 0.4 * (number % 2))).astype(np.uint8)
        assert not tracker.take(view_edges(image_stats(lit).thumbnail))


def test_frames_that_name_their_view_are_not_told_from_pictures(turning):
    for number in range(6):
        turning.frame("ridge", view="east" if number % 2 else "west")
    camera = turning.cameras.get("ridge")
    assert set(camera.views) == {"", "east", "west"}
    assert camera.view_changed_s == turning.now_s
    assert turning.value("smoke_camera_view_changes_total", camera="ridge") == 0.0
