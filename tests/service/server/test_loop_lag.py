import asyncio
import time

from service.server.loop_lag import monitor_loop_lag


def lags(block_s: float) -> list[float]:
    found: list[float] = []

    async def scenario() -> None:
        async with monitor_loop_lag(found.append, period_s=0.01):
            await asyncio.sleep(0.03)
            time.sleep(block_s)  # noqa: ASYNC251 - what must not happen, and must be seen
            await asyncio.sleep(0.03)

    asyncio.run(scenario())
    return found


def test_a_loop_that_is_blocked_is_seen():
    assert max(lags(block_s=0.2)) >= 0.15


def test_the_clock_stops_with_its_context():
    async def scenario() -> int:
        async with monitor_loop_lag(lambda _: None, period_s=0.01):
            pass
        return len(asyncio.all_tasks())

    assert asyncio.run(scenario()) == 1
