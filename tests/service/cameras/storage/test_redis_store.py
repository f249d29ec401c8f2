"""Several processes share the cameras: they come to the alarm that one would come to, and without Redis say that it is unknown."""

import asyncio
import contextlib
from collections.abc import Iterator

import pytest

pytest.importorskip("redis", reason="redis-py is not installed: pip install 'smoke-bvm[redis]'")

from prometheus_client import CollectorRegistry

from service.cameras.alarm import AlarmState, Arrival
from service.cameras.alarm_status import AlarmStatus, AlarmTransition
from service.cameras.camera import FrameObservation
from service.cameras.clock import Stamp
from service.cameras.evidence import AlarmPolicy
from service.cameras.metrics import CameraMetrics
from service.cameras.registry import Cameras
from service.cameras.rules import CameraFile
from service.cameras.storage import redis_store
from service.cameras.storage.redis_store import RedisStore
from tests.redis_server import RedisServer, redis_server
from tests.service.cameras.fleet import region, result, stats


@pytest.fixture
def redis(tmp_path, monkeypatch) -> Iterator[RedisServer]:
    """One that is given time: on a crowded machine it may take longer than a second to answer."""
    monkeypatch.setattr(redis_store, "_PATIENCE_S", 30.0)
    with redis_server(tmp_path) as server:
        yield server


CAMERAS_MAX = 8
"""As many again share a label."""


class Replica:
    """One of the processes: its cameras, what it told, its metrics."""

    def __init__(self, url: str | None) -> None:
        self.told: list[AlarmTransition] = []
        self.registry = CollectorRegistry()
        self.store = RedisStore(url) if url else None
        metrics, rules = CameraMetrics(self.registry), CameraFile(None, AlarmPolicy())
        self.cameras = Cameras(CAMERAS_MAX, rules, metrics, self.told.append, self.store)

    async def frame(self, number: int, *regions, camera_id: str = "ridge") -> AlarmStatus:
        at_s = 1_000.0 + 60.0 * number
        frame = FrameObservation(Stamp(at_s, at_s, number), result(*regions), 100, stats())
        return await self.cameras.observe(camera_id, frame, {})

    async def close(self) -> None:
        if self.store:
            await self.store.close()


def run(test, *urls: str | None) -> None:
    """Run a test that takes a replica for each URL."""

    async def all_of_it() -> None:
        replicas = [Replica(url) for url in urls]
        try:
            await test(*replicas)
        finally:
            for replica in replicas:
                await replica.close()

    asyncio.run(all_of_it())


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


def test_without_redis_the_state_is_unknown_and_with_it_again_it_goes_on_from_what_is_known(redis, caplog):
    """Redis comes back empty: what this process knows is where it goes on."""

    async def lose_it(replica) -> None:
        await replica.frame(0, region())
        await replica.frame(1, region())
        redis.kill()
        for number in (2, 3):
            alarm = await replica.frame(number, region())
            assert (alarm.state, alarm.arrival) == (AlarmState.UNKNOWN, Arrival.UNKNOWN)
        value = replica.registry.get_sample_value
        assert value("smoke_camera_state_unknown_total") == 2
        assert value("smoke_camera_alarm_state", {"camera": "ridge", "state": "unknown"}) == 1
        await replica.cameras.refresh(1_300.0)
        assert not replica.store.connected
        redis.start()
        await replica.cameras.refresh(1_300.0)
        assert replica.store.connected
        assert (await replica.frame(4, region())).state is AlarmState.ALARM

    run(lose_it, redis.url)
    assert caplog.text.count("Redis fails") == 1
    assert "Redis answers again" in caplog.text


@pytest.mark.parametrize(
    ("break_it", "mend_it"),
    [
        (("config", "set", "maxmemory", "1"), ("config", "set", "maxmemory", "0")),
        (("replicaof", "127.0.0.1", "1"), ("replicaof", "no", "one")),
    ],
    ids=["full", "replica"],
)
def test_a_redis_that_answers_and_takes_nothing_counts_as_gone_until_it_does(redis, caplog, break_it, mend_it):
    """Else it would be there whenever it is looked at, and no alert would come of it."""

    async def refuse(replica) -> None:
        await replica.frame(0, region())
        redis.tell(*break_it)
        for number in (1, 2):
            assert (await replica.frame(number, region())).state is AlarmState.UNKNOWN
            await replica.cameras.refresh(1_300.0)
            assert not replica.store.connected
        redis.tell(*mend_it)
        await replica.cameras.refresh(1_300.0)
        assert replica.store.connected
        assert (await replica.frame(3, region())).state is AlarmState.SUSPECTED

    run(refuse, redis.url)
    assert caplog.text.count("Redis fails") == 1


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


def lose_answers(replica: Replica, patch: pytest.MonkeyPatch) -> None:
    """What is written from now on is written, but this process does not hear so."""
    answered = replica.store._redis.transaction

    async def lost(*asked, **options):
        await answered(*asked, **options)
        raise ConnectionResetError("lost")

    patch.setattr(replica.store._redis, "transaction", lost)


@pytest.mark.parametrize("answer", [b"\xff" * 2**17, b"*1\r\n" * 2**16], ids=["noise", "nested"])
def test_what_is_no_redis_counts_as_one_that_is_gone(answer, caplog):
    """It kept the service from starting, and each frame of a camera from its answer."""

    async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while await reader.read(2**16):
                writer.write(answer)
        writer.close()

    async def ask() -> None:
        async with await asyncio.start_server(answered, "127.0.0.1", 0) as server:
            replica = Replica(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0")
            try:
                await replica.cameras.refresh(1_000.0)
                replica.store.connected = True
                assert (await replica.frame(0, region())).state is AlarmState.UNKNOWN
            finally:
                await replica.close()

    asyncio.run(ask())
    assert "Redis fails" in caplog.text


def test_versions_that_are_no_numbers_are_told(redis, caplog):
    redis.tell("hset", "smoke:versions", "ridge", "mint")

    async def read(replica) -> None:
        await replica.cameras.refresh(1_000.0)

    run(read, redis.url)
    assert "Redis fails" in caplog.text


def test_a_change_whose_answer_was_lost_is_told_when_it_is_known(redis, monkeypatch):
    """The alarm was written, but this process did not hear so: it must be told by somebody."""

    async def lose_the_answer(replica) -> None:
        for number in range(2):
            await replica.frame(number, region())
        lose_answers(replica, monkeypatch)
        assert (await replica.frame(2, region())).state is AlarmState.UNKNOWN
        assert [change.after for change in replica.told] == [AlarmState.SUSPECTED]
        await replica.cameras.refresh(1_300.0)
        assert [change.after for change in replica.told] == [AlarmState.SUSPECTED, AlarmState.ALARM]
        assert replica.told[-1].alarm_id == replica.cameras.get("ridge").alarm.id

    run(lose_the_answer, redis.url)


def test_the_end_of_an_alarm_by_silence_whose_answer_was_lost_is_told_when_it_is_known(redis, monkeypatch):
    async def lose_the_answer(replica) -> None:
        alarm_id = [(await replica.frame(number, region())).id for number in range(3)][-1]
        lose_answers(replica, monkeypatch)
        await replica.cameras.evict_expired(90_000.0)
        assert replica.told[-1].after is AlarmState.ALARM
        await replica.cameras.refresh(90_001.0)
        ended = replica.told[-1]
        assert (ended.before, ended.after, ended.alarm_id) == (AlarmState.ALARM, AlarmState.CLEAR, alarm_id)

    run(lose_the_answer, redis.url)


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


def test_what_is_gone_or_cannot_be_read_is_asked_for_once(redis, caplog):
    async def spoil(left, right) -> None:
        for camera_id in ("gone", "broken", "whole"):
            await left.frame(0, region(), camera_id=camera_id)
        redis.tell("del", "smoke:camera:gone")
        redis.tell("set", "smoke:camera:broken", "{")
        for _ in range(3):
            await right.cameras.refresh(1_100.0)
        assert [camera.id for camera in right.cameras] == ["whole"]
        assert list(await left.store._redis.hgetall("smoke:versions")) == [b"whole"]

    run(spoil, redis.url, redis.url)
    assert caplog.text.count("cannot be read") == 1


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
