"""Several processes share the cameras: they come to the alarm that one would come to, and without Redis say that it is unknown."""

import asyncio

import pytest

pytest.importorskip("redis", reason="redis-py is not installed: pip install 'smoke-bvm[redis]'")


from service.cameras.alarm import AlarmState
from service.cameras.camera import FrameObservation
from service.cameras.clock import Stamp
from tests.service.cameras.fleet import region, stats
from tests.service.cameras.storage.replica import CAMERAS_MAX, run

SMOKE = [bool(int(digit)) for digit in "0111011000000011101000"]


def test_frames_that_two_processes_see_in_turn_come_to_what_one_process_comes_to(redis):
    """With the ends of alarms, cool-down and hysteresis; only an alarm's id is drawn anew."""

    async def compare(one, left, right) -> None:
        for number, smoke in enumerate(SMOKE):
            regions = [region()] if smoke else []
            alone = await one.frame(number, *regions)
            shared = await (left if number % 2 else right).frame(number, *regions)
            assert shared._replace(id=alone.id) == alone
        told = sorted([*left.told, *right.told], key=lambda change: change.since_s)
        assert [(t.before, t.after, t.since_s) for t in told] == [(t.before, t.after, t.since_s) for t in one.told]
        assert AlarmState.ALARM in {change.after for change in told}

    run(compare, None, redis.url, redis.url)


def test_a_frame_that_comes_to_several_processes_at_once_counts_once(redis):
    async def crowd(*replicas) -> None:
        for number in range(4):
            alarms = await asyncio.gather(*(replica.frame(number, region()) for replica in replicas))
            assert sorted(alarm.arrival for alarm in alarms) == ["counted", "duplicate", "duplicate"]
        raised = [change for replica in replicas for change in replica.told if change.after is AlarmState.ALARM]
        assert len(raised) == 1
        for replica in replicas:
            await replica.cameras.refresh(1_300.0)
        assert {replica.cameras.get("ridge").version for replica in replicas} == {12}

    run(crowd, redis.url, redis.url, redis.url)


def test_an_alarm_outlives_the_process_that_raised_it_and_the_others_know_of_it_before_a_frame(redis):
    async def raise_it(first) -> None:
        assert [(await first.frame(number, region())).state for number in range(3)][-1] is AlarmState.ALARM

    async def take_over(second) -> None:
        await second.cameras.refresh(1_200.0)
        alarm = second.cameras.get("ridge").alarm
        assert (alarm.state, alarm.restored) == (AlarmState.ALARM, False)
        assert second.registry.get_sample_value("smoke_camera_alarm_state", {"camera": "ridge", "state": "alarm"}) == 1
        assert (await second.frame(3, region())).id == alarm.id
        assert second.told == []

    run(raise_it, redis.url)
    run(take_over, redis.url)


def test_a_frame_that_breaks_the_alarm_keeps_no_other_camera_from_its_own(redis, caplog):
    """Such a fault was taken for one of Redis, and every camera was unknown for a second."""

    async def break_one(replica) -> None:
        broken = FrameObservation(Stamp(60.0, 60.0), None, 100, stats())
        with pytest.raises(AttributeError):
            await replica.cameras.observe("north", broken, {})
        assert replica.store.connected
        assert (await replica.frame(0, region())).state is AlarmState.SUSPECTED

    run(break_one, redis.url)
    assert "Redis fails" not in caplog.text


def test_versions_that_are_no_numbers_are_told(redis, caplog):
    redis.tell("hset", "smoke:versions", "ridge", "mint")

    async def read(replica) -> None:
        await replica.cameras.refresh(1_000.0)

    run(read, redis.url)
    assert "Redis fails" in caplog.text


def test_who_is_silent_for_a_day_is_forgotten_by_all_and_the_end_of_its_alarm_is_told_once(redis):
    async def fall_silent(left, right) -> None:
        for number in range(3):
            await left.frame(number, region())
        await right.cameras.refresh(1_200.0)
        for replica in (left, right, left, right):
            await replica.cameras.refresh(90_000.0)
            await replica.cameras.evict_expired(90_000.0)
        assert not list(left.cameras) + list(right.cameras)
        ends = [change for change in left.told + right.told if change.before is AlarmState.ALARM]
        assert len(ends) == 1

    run(fall_silent, redis.url, redis.url)


def test_an_acknowledgement_holds_for_all(redis):
    async def take_on(left, right) -> None:
        for number in range(3):
            await left.frame(number, region())
        await right.cameras.refresh(1_200.0)
        await right.cameras.acknowledge(right.cameras.get("ridge"), "anna", 77.0)
        await left.cameras.acknowledge(left.cameras.get("ridge"), "ben", 78.0)
        assert left.cameras.get("ridge").alarm.acknowledged.by == "anna"
        assert [change.acknowledged.by for change in left.told + right.told if change.acknowledged] == ["anna"]

    run(take_on, redis.url, redis.url)


def test_a_camera_beyond_the_room_of_a_process_puts_none_out_there(redis):
    """It was read again every second, and each time put out another one, which was read again."""

    async def crowd(full, small) -> None:
        for number in range(2 * CAMERAS_MAX):
            await full.frame(0, region(), camera_id=f"full-{number}")
            await small.frame(0, region(), camera_id=f"small-{number}")
        known = {camera.id for camera in small.cameras}
        for _ in range(3):
            await small.cameras.refresh(1_100.0)
        assert {camera.id for camera in small.cameras} == known
        assert small.registry.get_sample_value("smoke_camera_evictions_total", {"reason": "room"}) == 0

    run(crowd, redis.url, redis.url)


def test_clear_cameras_that_make_room_leave_the_store_too(redis):
    """Else made-up ids would fill it for two days, and every process would read of them each second."""

    async def make_up(replica) -> None:
        for number in range(10 * CAMERAS_MAX):
            await replica.frame(0, camera_id=f"id-{number}")
        await replica.cameras.evict_expired(1_000.0)
        versions = await replica.store._redis.hgetall("smoke:versions")
        assert {name.decode() for name in versions} == {camera.id for camera in replica.cameras}
        assert len(versions) == 2 * CAMERAS_MAX
        assert await replica.store._redis.ttl("smoke:camera:id-50") <= 60

    run(make_up, redis.url)


def test_a_process_that_begins_beside_many_large_cameras_reads_them_a_few_at_a_time(redis, monkeypatch):
    """Read at once they took longer than Redis is waited for, and it never came to know them."""

    async def begin(left, right) -> None:
        for number in range(2 * CAMERAS_MAX):
            await left.frame(0, region(), camera_id=f"id-{number}")
        monkeypatch.setattr("service.cameras.storage.redis_store._AT_ONCE", 5)
        asked: list[int] = []
        mget = right.store._redis.mget

        def counted(keys):
            asked.append(len(keys))
            return mget(keys)

        monkeypatch.setattr(right.store._redis, "mget", counted)
        await right.cameras.refresh(1_100.0)
        assert len(list(right.cameras)) == 2 * CAMERAS_MAX
        assert asked == [5, 5, 5, 1]

    run(begin, redis.url, redis.url)
