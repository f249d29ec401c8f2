"""A process beside others, with which it shares its cameras through Redis."""

import asyncio

from prometheus_client import CollectorRegistry

from service.cameras.alarm_status import AlarmStatus, AlarmTransition
from service.cameras.camera import FrameObservation
from service.cameras.clock import Stamp
from service.cameras.evidence import AlarmPolicy
from service.cameras.metrics import CameraMetrics
from service.cameras.registry import Cameras
from service.cameras.rules import CameraFile
from service.cameras.storage.redis_store import RedisStore
from tests.service.cameras.fleet import result, stats

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
