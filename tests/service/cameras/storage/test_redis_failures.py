"""What becomes of the cameras while Redis is gone or takes nothing, and of answers that were lost: told, and mended when it is back."""

import asyncio
import contextlib

import pytest

pytest.importorskip("redis", reason="redis-py is not installed: pip install 'smoke-bvm[redis]'")


from service.cameras.alarm import AlarmState, Arrival
from tests.service.cameras.fleet import region
from tests.service.cameras.storage.replica import Replica, run


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
