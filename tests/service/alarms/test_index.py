"""Which alarms are remembered, and when they begin and end."""

import pytest

from service.alarms.index import AlarmIndex, AlarmLimits
from service.alarms.record import AlarmRecord, KeptFrame
from service.cameras.alarm import AlarmState, CameraAlarm, new_alarm_id
from service.cameras.camera import Camera, CameraView

NOW_S = 1_800_000_000.0
DAY_S = 86_400.0


def alarm(raised_s: float = NOW_S, state: str = "alarm", since_s: float = NOW_S) -> CameraAlarm:
    return CameraAlarm(AlarmState(state), since_s, 1.0, 3, id=new_alarm_id(raised_s))


def camera(*alarms: CameraAlarm, camera_id: str = "ridge") -> Camera:
    views = {name: CameraView(one) for name, one in zip(("", "east", "west"), alarms, strict=False)}
    return Camera(camera_id, camera_id, views)


def record(age_days: float, size_bytes: int = 0, *, ended: bool = True, camera_id: str = "ridge") -> AlarmRecord:
    raised_s = NOW_S - age_days * DAY_S
    kept = KeptFrame(
        number=0, request_id="r", captured_s=None, arrived_s=raised_s, score=1, area_fraction=0.1, size_bytes=size_bytes
    )
    return AlarmRecord(
        id=new_alarm_id(raised_s),
        camera_id=camera_id,
        started_s=raised_s,
        cleared_s=raised_s + 60 if ended else None,
        frames={"first": kept, "strongest": kept, "latest": kept},
    )


def remaining(index: AlarmIndex, records: list[AlarmRecord]) -> list[int]:
    return [number for number, one in enumerate(records) if index.get(one.id)]


def test_one_that_ended_is_let_go_after_its_days_and_one_that_lasts_is_not():
    records = [record(3), record(2.001), record(1.999), record(5, ended=False)]
    index = AlarmIndex(AlarmLimits(days=2.0), records)
    index.bound(NOW_S)
    assert remaining(index, records) == [2, 3]
    assert index.gone == {records[0].id, records[1].id}


@pytest.mark.parametrize(
    ("most", "left"), [(5, [0, 1, 2, 3, 4]), (4, [0, 1, 3, 4]), (3, [0, 1, 4]), (2, [0, 1]), (1, [0, 1])]
)
def test_beyond_a_number_the_oldest_that_ended_goes_and_those_that_last_stay(most, left):
    records = [record(9, ended=False), record(8, ended=False), record(3), record(2), record(1)]
    index = AlarmIndex(AlarmLimits(alarms=most), records)
    index.bound(NOW_S)
    assert remaining(index, records) == left


@pytest.mark.parametrize(
    ("most_bytes", "left"), [(600, [0, 1, 2]), (599, [1, 2]), (500, [1, 2]), (300, [2]), (299, [])]
)
def test_beyond_so_many_bytes_the_oldest_goes_and_a_frame_of_several_roles_counts_once(most_bytes, left):
    records = [record(3, 100), record(2, 200), record(1, 300)]
    index = AlarmIndex(AlarmLimits(size_bytes=most_bytes), records)
    index.bound(NOW_S)
    assert remaining(index, records) == left


def test_one_that_lasted_for_long_is_kept_for_its_days_from_its_end_on():
    long = record(31).model_copy(update={"cleared_s": NOW_S})
    records = [long, record(3), record(2), record(1)]
    index = AlarmIndex(AlarmLimits(alarms=2, days=30.0), records)
    index.bound(NOW_S)
    assert remaining(index, records) == [0, 3]


def test_an_alarm_of_a_camera_whose_clock_is_wrong_is_kept_for_its_days_by_ours():
    records = [record(1).model_copy(update={"cleared_s": wrong_s}) for wrong_s in (60.0, NOW_S + 900 * DAY_S)]
    index = AlarmIndex(AlarmLimits(days=2.0), records)
    index.bound(NOW_S)
    assert remaining(index, records) == [0, 1]
    index.bound(NOW_S + 1.5 * DAY_S)
    assert remaining(index, records) == []


def test_alarms_that_last_are_full_at_so_many_bytes_and_stay():
    records = [record(3, 100, ended=False), record(2, 200, ended=False), record(1, 50)]
    index = AlarmIndex(AlarmLimits(size_bytes=300), records)
    index.bound(NOW_S)
    assert (remaining(index, records), index.full) == ([0, 1], True)
    roomy = AlarmIndex(AlarmLimits(size_bytes=400), records)
    roomy.bound(NOW_S)
    assert (remaining(roomy, records), roomy.full) == ([0, 1, 2], False)


def test_an_alarm_begins_and_ends_with_the_state_of_its_view():
    index, one = AlarmIndex(AlarmLimits()), alarm(since_s=NOW_S + 5)
    begun = index.follow(("ridge", "east"), one)
    assert begun is not None
    assert (begun.id, begun.camera_id, begun.view, begun.started_s, begun.cleared_s) == (
        one.id,
        "ridge",
        "east",
        NOW_S + 5,
        None,
    )
    one.state, one.since_s = AlarmState.CLEAR, NOW_S + 60
    assert index.follow(("ridge", "east"), one) is None
    assert index.newest(9)[0].cleared_s == NOW_S + 60


def test_an_alarm_that_follows_another_in_the_same_frame_closes_it():
    index, first, second = AlarmIndex(AlarmLimits()), alarm(NOW_S), alarm(NOW_S + 60, since_s=NOW_S + 60)
    index.follow(("ridge", ""), first)
    index.follow(("ridge", ""), second)
    assert [(one.id, one.cleared_s) for one in index.newest(9)] == [(second.id, None), (first.id, NOW_S + 60)]


def test_alarms_end_whose_camera_or_view_is_forgotten_and_those_of_before_this_process_are_taken_in():
    index, lasting = AlarmIndex(AlarmLimits()), alarm(NOW_S)
    for place, one in ((("ridge", ""), lasting), (("ridge", "east"), alarm()), (("gone", ""), alarm())):
        index.follow(place, one)
    restored = alarm(NOW_S - 600)
    index.reconcile([camera(lasting, alarm(state="clear")), camera(restored, camera_id="before")], NOW_S + 9)
    ended = {(one.camera_id, one.view): one.cleared_s for one in index.newest(9)}
    assert ended == {
        ("ridge", ""): None,
        ("ridge", "east"): NOW_S + 9,
        ("gone", ""): NOW_S + 9,
        ("before", ""): None,
    }


def test_the_strongest_frame_is_the_one_with_the_most_smoke_and_the_first_stays():
    one = AlarmRecord(id=new_alarm_id(NOW_S), camera_id="ridge", started_s=NOW_S)
    for number, area in enumerate((0.1, 0.3, 0.3, 0.2)):
        frame = KeptFrame(
            number=number, request_id="", captured_s=None, arrived_s=0, score=1, area_fraction=area, size_bytes=10
        )
        one = one.with_frame(frame)
    assert {role: kept.number for role, kept in one.frames.items()} == {"first": 0, "strongest": 1, "latest": 3}
    assert one.size_bytes == 30
