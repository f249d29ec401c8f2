"""Notifications against a channel that does as it is told; pauses are milliseconds here."""

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from service.cameras.alarm import AlarmState
from service.cameras.alarm_status import AlarmTransition
from service.notifications.outbox import DeliveryFailed, Outbox, RetryPolicy
from service.runtime.backoff import Backoff

SHORT = RetryPolicy(pending_max=4, backoff=Backoff(0.001, 0.004), drain_s=30.0)


def change(number: int, before: str = "suspected", after: str = "alarm") -> AlarmTransition:
    return AlarmTransition(f"camera-{number}", AlarmState(before), AlarmState(after), 60.0, 1.0, 3, ())


class Obedient:
    """A channel that fails as often as it is told, permanently or not, and blocks while it is held."""

    name = "obedient"

    def __init__(self, failures: int = 0, *, permanent: bool = False) -> None:
        self.failures = failures
        self.permanent = permanent
        self.attempts: list[str] = []
        self.delivered: list[str] = []
        self.free = asyncio.Event()
        self.free.set()

    def wants(self, offered: AlarmTransition) -> bool:
        return offered.camera_id != "camera-99"

    async def deliver(self, offered: AlarmTransition) -> None:
        await self.free.wait()
        self.attempts.append(offered.camera_id)
        if self.failures > 0:
            self.failures -= 1
            raise DeliveryFailed("told to", permanent=self.permanent)
        self.delivered.append(offered.camera_id)

    @asynccontextmanager
    async def opened(self):
        yield


def boxed(channel: Obedient, results: list[str], policy: RetryPolicy = SHORT, *, kept: bool = False) -> Outbox:
    return Outbox(channel, lambda _, result: results.append(result), policy, kept=kept)


def run(
    channel: Obedient, *numbers: int, policy: RetryPolicy = SHORT, until: Callable[[], object] = lambda: True
) -> list[str]:
    """Offer changes, wait until something holds, close; the results."""
    results: list[str] = []

    async def offer() -> None:
        outbox = boxed(channel, results, policy)
        async with outbox.running():
            for number in numbers:
                outbox.notify(change(number))
            async with asyncio.timeout(60):
                while not until():  # noqa: ASYNC110 - told by plain lists
                    await asyncio.sleep(0.001)

    asyncio.run(offer())
    return results


def test_what_is_offered_arrives_newest_first_and_what_is_unwanted_does_not():
    channel = Obedient()
    assert run(channel, 1, 99, 2, 3) == ["delivered"] * 3
    assert channel.delivered == ["camera-3", "camera-2", "camera-1"]


def test_a_failed_delivery_is_tried_until_it_arrives():
    channel = Obedient(failures=50)
    assert run(channel, 1) == ["delivered"]
    assert channel.attempts == ["camera-1"] * 51


def test_an_unexpected_fault_holds_up_its_own_notification_alone(caplog):
    class Faulty(Obedient):
        async def deliver(self, offered: AlarmTransition) -> None:
            if offered.camera_id == "camera-1":
                raise ValueError("of no known kind")
            await super().deliver(offered)

    channel = Faulty()
    results = run(channel, 2, 1, policy=replace(SHORT, drain_s=0.01), until=lambda: channel.delivered)
    assert results == ["delivered", "dropped"]
    assert channel.delivered == ["camera-2"]
    assert "notification failed unexpectedly" in caplog.text


def test_one_that_the_receiver_cannot_take_does_not_hold_up_the_others():
    class Picky(Obedient):
        async def deliver(self, offered: AlarmTransition) -> None:
            self.failures = int(offered.camera_id == "camera-3")
            await super().deliver(offered)

    def tried() -> bool:
        return len(channel.delivered) == 2 and channel.attempts.count("camera-3") > 3

    channel = Picky()
    results = run(channel, 1, 2, 3, policy=replace(SHORT, drain_s=0.01), until=tried)
    assert results == ["delivered", "delivered", "dropped"]
    assert channel.delivered == ["camera-2", "camera-1"]


def test_a_newer_change_of_a_camera_takes_the_place_of_its_undelivered_one():
    channel, results, told = Obedient(), [], []

    async def offer() -> None:
        outbox = boxed(channel, results)
        channel.wants = lambda offered: told.append(offered) or True
        for before, after in (("suspected", "alarm"), ("alarm", "alarm"), ("alarm", "clear")):
            outbox.notify(change(1, before, after))
            told[-1:] = outbox.undelivered
        async with outbox.running():
            await outbox._idle.wait()

    asyncio.run(offer())
    assert results == ["replaced", "replaced", "delivered"]
    assert channel.delivered == ["camera-1"]
    assert [(offered.before, offered.after) for offered in told] == [
        ("suspected", "alarm"),
        ("suspected", "alarm"),  # the receiver has not heard of the first, so that it begins now for it
        ("alarm", "clear"),
    ]


def test_a_change_while_its_older_one_is_on_the_way_is_sent_after_it():
    channel, results = Obedient(), []

    async def offer() -> None:
        outbox = boxed(channel, results)
        channel.free.clear()
        async with outbox.running():
            outbox.notify(change(1))
            await asyncio.sleep(0.01)
            outbox.notify(change(1, "alarm", "clear"))
            channel.free.set()

    asyncio.run(offer())
    assert (results, channel.delivered) == (["delivered"] * 2, ["camera-1"] * 2)


def test_a_receiver_is_behind_since_its_oldest_undelivered_change_whatever_replaced_it():
    async def offer() -> None:
        outbox = boxed(Obedient(failures=10**6), [], replace(SHORT, drain_s=0.01))
        assert outbox.waiting_s == 0
        async with outbox.running():
            outbox.notify(change(1))
            await asyncio.sleep(0.1)
            outbox.notify(change(1, "alarm", "clear"))
            assert 0.1 <= outbox.waiting_s < 5

    asyncio.run(offer())


def test_what_fails_for_good_is_not_tried_again():
    channel = Obedient(failures=1, permanent=True)
    assert run(channel, 2, 1) == ["failed", "delivered"]
    assert channel.attempts == ["camera-1", "camera-2"]


def test_a_full_box_drops_the_oldest_aloud_and_offering_never_waits(caplog):
    channel, results = Obedient(), []

    async def offer() -> None:
        outbox = boxed(channel, results)
        channel.free.clear()
        async with outbox.running():
            for number in range(1, 7):
                outbox.notify(change(number))
            assert results == ["dropped", "dropped"]
            channel.free.set()

    asyncio.run(offer())
    assert channel.delivered == ["camera-6", "camera-5", "camera-4", "camera-3"]
    assert caplog.text.count("notification dropped") == 2


@pytest.mark.parametrize("kept", [False, True])
def test_what_cannot_be_sent_in_time_is_dropped_unless_it_is_kept_for_the_next_start(kept):
    channel, results = Obedient(), []

    async def offer() -> list[AlarmTransition]:
        outbox = boxed(channel, results, replace(SHORT, drain_s=0.01), kept=kept)
        channel.free.clear()
        async with outbox.running():
            for number in range(3):
                outbox.notify(change(number))
        return outbox.undelivered

    left = asyncio.run(offer())
    assert (results, [each.camera_id for each in left]) == (
        ([], ["camera-0", "camera-1", "camera-2"]) if kept else (["dropped"] * 3, [])
    )


def test_at_the_end_what_pauses_is_tried_once_more_at_once():
    channel, policy = Obedient(failures=1), RetryPolicy(backoff=Backoff(3600.0, 3600.0), drain_s=30.0)
    assert run(channel, 1, policy=policy, until=lambda: channel.attempts) == ["delivered"]


@pytest.mark.parametrize("numbers", [(), (99,)])
def test_with_nothing_to_send_the_end_does_not_wait(numbers):
    assert run(Obedient(), *numbers, policy=replace(SHORT, drain_s=60.0)) == []
