"""Many frames on their way at once, their answers in order: decoding, inference and encoding of different frames overlap."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from typing import TypeVar

from service.pipeline.workers import WorkerOptions
from service.runtime.model import Model
from service.runtime.process import cores
from service.settings import Settings

_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")


def side_by_side(settings: Settings, frames: int) -> Settings:
    """Where there are frames for every core, each is inferred on one of them, which costs least; what was set is left as it is."""
    if settings.threads or settings.runners or frames < cores():
        return settings
    return settings.model_copy(update={"threads": 1, "runners": cores()})


def frames_at_once(model: Model, options: WorkerOptions, views: int) -> int:
    """How many frames keep every thread, and the model, busy: twice what they hold, and no more than may wait.

    Args:
        model: Whose runners take whole batches.
        options: Threads, and how many frames may wait.
        views: As how many frames one counts, at most.
    """
    busy = options.workers + model.runners * model.batch_max
    return max(1, min(2 * busy, options.queue_max // views))


async def in_order(
    items: Iterable[_Item], work: Callable[[_Item], Awaitable[_Answer]], at_once: int
) -> AsyncGenerator[_Answer]:
    """Answers in the order of the items, of which at most `at_once` are worked on. Closing it withdraws those."""
    tasks: deque[asyncio.Future[_Answer]] = deque()
    try:
        for item in items:
            tasks.append(asyncio.ensure_future(work(item)))
            if len(tasks) >= at_once:
                yield await tasks[0]
                tasks.popleft()
        while tasks:
            yield await tasks[0]
            tasks.popleft()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
