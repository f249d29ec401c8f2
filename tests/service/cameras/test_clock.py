"""Cameras whose clocks are wrong in every way there is: smoke in three frames is an alarm all the same, and the clock is told."""

import pytest

from service.cameras.alarm import AlarmState, Arrival, CameraAlarm
from service.cameras.clock import Stamp
from service.cameras.evidence import AlarmPolicy, RegionObservation

POLICY = AlarmPolicy(frames=5, hits=3.0, window_s=900.0, cooldown_s=600.0)
SMOKE = [RegionObservation((0.4, 0.4, 0.5, 0.5), 1.0, doubted=False)]
NOON_S = 1_750_000_000.0


def watch(stamps, *, every_s: float = 10.0, alarm: CameraAlarm | None = None, start_s: float = NOON_S):
    """Frames with smoke, each of its own bytes, `every_s` apart; the updates and states after each, and the alarm."""
    alarm = alarm or CameraAlarm()
    updates = []
    for number, stamp in enumerate(stamps):
        arrived_s = start_s + number * every_s
        updates.append((alarm.observe(Stamp(stamp(arrived_s), arrived_s, body=number + 1), SMOKE, POLICY), alarm.state))
    return updates, alarm


@pytest.mark.parametrize(
    ("stamp", "arrival"),
    [
        (lambda now_s: now_s + 62.0, Arrival.AHEAD),
        (lambda now_s: now_s + 7_200.0, Arrival.AHEAD),
        (lambda now_s: now_s + 1e9, Arrival.AHEAD),
        (lambda now_s: now_s - 62.0, Arrival.COUNTED),
        (lambda now_s: now_s - 7 * 3_600.0, Arrival.COUNTED),
        (lambda now_s: now_s % 1_000.0, Arrival.COUNTED),
        (lambda _: NOON_S + 5_000.0, Arrival.AHEAD),
        (lambda _: 0.0, Arrival.COUNTED),
        (lambda _: NOON_S - 30.0, Arrival.COUNTED),
    ],
    ids=[
        "fast",
        "zone ahead",
        "years ahead",
        "slow",
        "zone behind",
        "since 1970",
        "stuck ahead",
        "stuck at 0",
        "stuck",
    ],
)
def test_smoke_in_three_frames_is_an_alarm_whatever_the_clock_says_and_the_clock_is_told(stamp, arrival):
    updates, alarm = watch([stamp] * 12)
    assert [state for _, state in updates[:3]] == [AlarmState.SUSPECTED, AlarmState.SUSPECTED, AlarmState.ALARM]
    assert {update.arrival for update, _ in updates} == {arrival}
    assert all(update.clock_wrong for update, _ in updates[1:])
    assert sum(update.raised for update, _ in updates) == 1
    assert alarm.counted_s == NOON_S + 110.0


@pytest.mark.parametrize("delay_s", [0.0, 3.0, 59.0])
def test_a_clock_that_is_right_is_not_told(delay_s):
    updates, _ = watch([lambda now_s: now_s - delay_s] * 6)
    assert not any(update.clock_wrong for update, _ in updates)


def test_stamps_cut_to_the_minute_make_an_alarm_as_late_as_whole_ones():
    updates, _ = watch([lambda now_s: now_s // 60.0 * 60.0] * 12)
    assert updates[2][1] is AlarmState.ALARM
    assert {update.arrival for update, _ in updates} == {Arrival.COUNTED}
    assert any(update.clock_wrong for update, _ in updates)


@pytest.mark.parametrize("back_s", [15.0, 3_600.0, 1e9])
def test_a_clock_that_is_set_back_costs_one_frame(back_s):
    _, alarm = watch([lambda now_s: now_s] * 1)
    updates, _ = watch([lambda now_s: now_s - back_s] * 3, alarm=alarm, start_s=NOON_S + 10.0)
    assert [update.arrival for update, _ in updates] == [Arrival.LATE, Arrival.COUNTED, Arrival.COUNTED]
    assert updates[-1][1] is AlarmState.ALARM


def test_a_clock_that_sticks_at_an_instant_long_ago_costs_one_frame():
    _, alarm = watch([lambda now_s: now_s] * 1)
    updates, _ = watch([lambda _: 0.0] * 3, alarm=alarm, start_s=NOON_S + 10.0)
    assert updates[-1][1] is AlarmState.ALARM


def test_a_retry_of_a_late_frame_is_no_clock_that_was_set_back():
    _, alarm = watch([lambda now_s: now_s] * 2)
    for _ in range(3):
        assert alarm.observe(Stamp(NOON_S - 60.0, NOON_S + 20.0, body=9), SMOKE, POLICY).arrival is Arrival.LATE


def test_frames_delivered_in_the_wrong_order_are_late():
    _, alarm = watch([lambda now_s: now_s] * 2)
    updates = [
        alarm.observe(Stamp(NOON_S - back_s, NOON_S + 20.0, body=7), SMOKE, POLICY) for back_s in (10.0, 20.0, 30.0)
    ]
    assert {update.arrival for update in updates} == {Arrival.LATE}


def test_an_alarm_lasts_while_a_slow_clock_is_put_right_and_is_raised_once():
    updates, alarm = watch([lambda now_s: now_s - 3_600.0] * 4)
    later, _ = watch([lambda now_s: now_s] * 4, alarm=alarm, start_s=NOON_S + 40.0)
    assert [state for _, state in later] == [AlarmState.ALARM] * 4
    assert sum(update.raised for update, _ in updates + later) == 1
    assert not later[-1][0].clock_wrong


def test_an_alarm_lasts_while_a_clock_is_set_back():
    _, alarm = watch([lambda now_s: now_s] * 4)
    later, _ = watch([lambda now_s: now_s - 3_600.0] * 4, alarm=alarm, start_s=NOON_S + 40.0)
    assert [state for _, state in later] == [AlarmState.ALARM] * 4


@pytest.mark.parametrize("skews", [(-3_600.0, 3_600.0), (3_600.0, 0.0), (3_600.0, -3_600.0), (-7_200.0, 5.0)])
def test_an_alarm_lasts_whichever_way_a_clock_goes_wrong_or_right(skews):
    first, then = skews
    _, alarm = watch([lambda now_s: now_s + first] * 4)
    later, _ = watch([lambda now_s: now_s + then] * 6, alarm=alarm, start_s=NOON_S + 40.0)
    assert [state for _, state in later] == [AlarmState.ALARM] * 6


def test_a_clock_that_goes_to_and_fro_about_the_limit_loses_no_frame():
    skews = [59.0, 61.0] * 6
    updates, _ = watch([lambda now_s, skew_s=skew_s: now_s + skew_s for skew_s in skews])
    assert {update.arrival for update, _ in updates} == {Arrival.COUNTED, Arrival.AHEAD}
    assert updates[2][1] is AlarmState.ALARM


def test_a_camera_that_stamps_only_some_frames_loses_none():
    stamps = [lambda now_s: now_s - 3_600.0, lambda _: None] * 6
    updates, _ = watch(stamps)
    assert {update.arrival for update, _ in updates} == {Arrival.COUNTED}


def test_our_own_clock_that_is_set_back_loses_no_frame():
    _, alarm = watch([lambda now_s: now_s] * 1)
    updates, _ = watch([lambda now_s: now_s + 3_600.0] * 3, alarm=alarm, start_s=NOON_S - 3_595.0)
    assert {update.arrival for update, _ in updates} == {Arrival.AHEAD}
    assert updates[-1][1] is AlarmState.ALARM


def test_frames_under_one_stamp_still_grow_old():
    """Without that, smoke of this morning would count in the evening, and a place would cool down for ever."""
    updates, alarm = watch([lambda _: NOON_S] * 3, every_s=2_000.0)
    assert AlarmState.ALARM not in [state for _, state in updates]
    assert alarm.newest_s == NOON_S + 4_000.0


@pytest.mark.parametrize("skew_s", [-7_200.0, 0.0, 62.0])
def test_a_retry_changes_nothing_whatever_the_clock_says(skew_s):
    alarm = CameraAlarm()
    for _ in range(5):
        update = alarm.observe(Stamp(NOON_S + skew_s, NOON_S, body=1), SMOKE, POLICY)
    assert update.arrival is Arrival.DUPLICATE
    assert alarm.frames == 1
    assert alarm.observe(Stamp(NOON_S + skew_s, NOON_S + 1.0, body=2), SMOKE, POLICY).arrival is not Arrival.DUPLICATE


def test_a_backlog_counts_by_its_stamps():
    """A camera that was cut off sends what it saw: frames an hour apart are not one moment, frames a minute apart are."""
    updates, _ = watch([lambda _, hour=hour: NOON_S - 36_000.0 + 3_600.0 * hour for hour in range(5)], every_s=0.1)
    assert AlarmState.ALARM not in [state for _, state in updates]
    updates, _ = watch([lambda _, minute=minute: NOON_S - 36_000.0 + 60.0 * minute for minute in range(5)], every_s=0.1)
    assert updates[-1][1] is AlarmState.ALARM


def test_after_a_restart_a_camera_without_stamps_is_of_now_again():
    alarm = CameraAlarm(AlarmState.ALARM, newest_s=NOON_S - 3_600.0, counted_s=NOON_S - 3_600.0, restored=True)
    alarm.observe(Stamp(None, NOON_S), SMOKE, POLICY)
    assert alarm.newest_s == NOON_S


def test_a_retry_from_before_a_restart_is_late():
    alarm = CameraAlarm(AlarmState.ALARM, newest_s=NOON_S, counted_s=NOON_S, restored=True)
    assert alarm.observe(Stamp(NOON_S - 60.0, NOON_S + 60.0, body=1), SMOKE, POLICY).arrival is Arrival.LATE
