"""A Redis to share cameras through."""

from collections.abc import Iterator

import pytest

from tests.redis_server import RedisServer, redis_server


@pytest.fixture
def redis(tmp_path, monkeypatch) -> Iterator[RedisServer]:
    """One that is given time: on a crowded machine it may take longer than a second to answer."""
    monkeypatch.setattr("service.cameras.storage.redis_store._PATIENCE_S", 30.0)
    with redis_server(tmp_path) as server:
        yield server
