"""Requests on a fixed schedule, whatever the answers do: latency counts from the moment a request was meant to be sent.

A closed loop, in which each client waits for its answer before it asks again, hides exactly the waits that overload causes.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sample:
    """One request: its status (0 where the connection failed) and its latency from the intended time."""

    status: int
    latency_s: float


async def open_loop(send: Callable[[int], Awaitable[int]], rate_per_s: float, count: int) -> list[Sample]:
    """Send request after request on schedule.

    Args:
        send: Sends the request of this number, and gives the status of its answer.
        rate_per_s: Requests a second.
        count: How many in all.
    """
    started_s = time.perf_counter()

    async def one(number: int) -> Sample:
        due_s = started_s + number / rate_per_s
        await asyncio.sleep(due_s - time.perf_counter())
        return Sample(await send(number), time.perf_counter() - due_s)

    return list(await asyncio.gather(*(one(number) for number in range(count))))


def percentile(values: list[float], share: float) -> float:
    """The value below which this share of the values lies; nan where there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")
