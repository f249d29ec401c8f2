"""A reader is told of every camera, whenever it came."""

import asyncio
from types import SimpleNamespace

from service.api.broadcast import Broadcast
from service.api.routes.events import events, publish_changes
from service.scheduling.admission import Phase
from tests.service.cameras.fleet import Fleet


def test_a_camera_that_comes_before_the_stream_begins_is_in_it():
    fleet, readers = Fleet(), Broadcast(lambda: None)
    publish_changes(fleet.cameras, readers)
    state = SimpleNamespace(cameras=fleet.cameras, events=readers, admission=SimpleNamespace(phase=Phase.READY))

    response = asyncio.run(events(state))
    fleet.frame("ridge")

    async def first_two() -> list[bytes]:
        return [await anext(response.body_iterator) for _ in range(2)]

    count, camera = asyncio.run(first_two())
    assert b'{"cameras": 1}' in count
    assert b'"camera_id":"ridge"' in camera
