"""Notifications against a channel that does as it is told; pauses are milliseconds here."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from service.cameras.alarm import AlarmState
from service.cameras.camera import AlarmTransition
from service.notifications.outbox import DeliveryFailed, Outbox, RetryPolicy

SHORT = RetryPolicy(queue_max=4, attempts=3, pause_s=0.001, failures_max=2, open_s=0.2, drain_s=0.5)


def change(number: int) -> AlarmTransition:
    return AlarmTransition(f"camera-{number}", AlarmState.SUSPECTED, AlarmState.ALARM, 60.0, 1.0, 3, ())


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


def run(channel: Obedient, *numbers: int, policy: RetryPolicy = SHORT, wait_s: float = 0.0) -> list[str]:
    """Offer changes, wait, close; the results."""
    results: list[str] = []

    async def offer() -> None:
        outbox = Outbox(channel, lambda _, result: results.append(result), policy)
        async with outbox.running():
            for number in numbers:
                outbox.offer(change(number))
            await asyncio.sleep(wait_s)

    asyncio.run(offer())
    return results


def test_what_is_offered_arrives_in_order_and_what_is_unwanted_does_not():
    channel = Obedient()
    assert run(channel, 1, 99, 2, 3) == ["delivered"] * 3
    assert channel.delivered == ["camera-1", "camera-2", "camera-3"]


def test_a_failed_delivery_is_tried_again():
    channel = Obedient(failures=2)
    assert run(channel, 1) == ["delivered"]
    assert channel.attempts == ["camera-1"] * 3


def test_an_unexpected_fault_loses_its_own_notification_alone(caplog):
    class Faulty(Obedient):
        async def deliver(self, offered: AlarmTransition) -> None:
            if offered.camera_id == "camera-1":
                raise ValueError("of no known kind")
            await super().deliver(offered)

    channel = Faulty()
    assert run(channel, 1, 2) == ["failed", "delivered"]
    assert channel.delivered == ["camera-2"]
    assert "notification failed unexpectedly" in caplog.text


def test_attempts_are_bounded():
    channel = Obedient(failures=3)
    assert run(channel, 1, 2) == ["failed", "delivered"]
    assert channel.attempts == ["camera-1"] * 3 + ["camera-2"]


def test_what_fails_for_good_is_not_tried_again():
    channel = Obedient(failures=1, permanent=True)
    assert run(channel, 1, 2) == ["failed", "delivered"]
    assert channel.attempts == ["camera-1", "camera-2"]


def test_an_open_breaker_sends_nothing_and_then_one_attempt_decides():
    policy = replace(SHORT, drain_s=0.01)
    channel = Obedient(failures=6)
    assert run(channel, 1, 2, 3, policy=policy, wait_s=0.1) == ["failed", "failed", "dropped"]
    assert channel.attempts == ["camera-1"] * 3 + ["camera-2"] * 3
    again = Obedient(failures=7)
    assert run(again, 1, 2, 3, 4, wait_s=0.6) == ["failed", "failed", "failed", "delivered"]
    assert again.attempts[6:] == ["camera-3", "camera-4"]


def test_a_full_queue_drops_the_oldest_and_offering_never_waits():
    channel = Obedient()
    results: list[str] = []

    async def offer() -> None:
        outbox = Outbox(channel, lambda _, result: results.append(result), SHORT)
        channel.free.clear()
        async with outbox.running():
            outbox.offer(change(0))
            await asyncio.sleep(0.01)  # the first is on its way, and is held there
            for number in range(1, 7):
                outbox.offer(change(number))
            assert results == ["dropped", "dropped"]
            channel.free.set()

    asyncio.run(offer())
    assert channel.delivered == ["camera-0", "camera-3", "camera-4", "camera-5", "camera-6"]


def test_what_cannot_be_sent_in_time_is_counted_at_the_end():
    channel = Obedient()

    async def offer() -> list[str]:
        results: list[str] = []
        outbox = Outbox(channel, lambda _, result: results.append(result), replace(SHORT, drain_s=0.01))
        channel.free.clear()
        async with outbox.running():
            for number in range(3):
                outbox.offer(change(number))
        return results

    assert asyncio.run(offer()) == ["dropped"] * 2


@pytest.mark.parametrize("numbers", [(), (99,)])
def test_with_nothing_to_send_the_end_does_not_wait(numbers):
    assert run(Obedient(), *numbers, policy=replace(SHORT, drain_s=60.0)) == []
