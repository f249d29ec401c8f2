"""For how long smoke has been at a place: answers known in closed form."""

import pytest

from service.cameras.evidence import AlarmPolicy
from service.cameras.persistence import RegionHistory

LEFT, RIGHT = (0.1, 0.1, 0.2, 0.2), (0.7, 0.1, 0.8, 0.2)
WIDE = (0.1, 0.1, 0.8, 0.2)
POLICY = AlarmPolicy(frames=3, hits=2, window_s=900)


def persistence(*frames: tuple[float, list], policy: AlarmPolicy = POLICY) -> list[tuple[float, ...]]:
    history = RegionHistory()
    return [history.take(boxes, time_s, policy) for time_s, boxes in frames]


def test_smoke_that_stays_has_been_there_since_it_came():
    assert persistence((100, [LEFT]), (160, [LEFT]), (250, [LEFT])) == [(0.0,), (60.0,), (150.0,)]


def test_smoke_that_drifts_stays_the_same_for_as_long_as_it_overlaps_its_last_place():
    frames = [(60.0 * n, [(0.1 + 0.05 * n, 0.1, 0.2 + 0.05 * n, 0.2)]) for n in range(8)]
    assert persistence(*frames) == [(60.0 * n,) for n in range(8)]
    jumps = [(60.0 * n, [(0.1 + 0.2 * n, 0.1, 0.2 + 0.2 * n, 0.2)]) for n in range(4)]
    assert persistence(*jumps) == [(0.0,)] * 4


def test_each_place_has_its_own_age_and_plumes_that_merge_are_as_old_as_the_oldest():
    found = persistence((0, [LEFT]), (60, [LEFT, RIGHT]), (120, [RIGHT, LEFT]), (180, [WIDE]))
    assert found == [(0.0,), (60.0, 0.0), (60.0, 120.0), (180.0,)]


@pytest.mark.parametrize(("missing", "age_s"), [(1, 120.0), (2, 180.0), (3, 0.0)])
def test_smoke_that_goes_unseen_in_fewer_frames_than_an_alarm_looks_back_on_has_been_there_all_the_while(
    missing, age_s
):
    frames = [(0.0, [LEFT]), *((60.0 * n, []) for n in range(1, missing + 1)), (60.0 * (missing + 1), [LEFT])]
    assert persistence(*frames)[-1] == (age_s,)


@pytest.mark.parametrize(("pause_s", "age_s"), [(900.0, 900.0), (900.5, 0.0)])
def test_what_was_seen_before_the_window_says_nothing(pause_s, age_s):
    assert persistence((0.0, [LEFT]), (pause_s, [LEFT]))[-1] == (age_s,)


def test_age_grows_beyond_the_window_for_as_long_as_smoke_stays():
    frames = [(600.0 * n, [LEFT]) for n in range(30)]
    assert persistence(*frames)[-1] == (17_400.0,)


def test_a_clock_that_is_set_takes_the_past_along():
    history = RegionHistory()
    history.take([LEFT], 10_000.0, POLICY)
    history.take([LEFT], 10_060.0, POLICY)
    # Set back by 5,000 s, one minute later.
    assert history.take([LEFT], 5_120.0, POLICY, shift_s=-5_000.0) == (120.0,)


def test_what_is_remembered_is_bounded_by_the_frames_that_an_alarm_looks_back_on():
    history = RegionHistory()
    for n in range(500):
        history.take([LEFT], n, POLICY)
    assert len(history._frames) <= POLICY.frames + 1
