"""A broker to publish to, and a receiver of webhooks."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.service.notifications.mosquitto import MOSQUITTO, Mosquitto
from tests.service.notifications.receiver import Receiver, serving


@pytest.fixture
def port() -> int:
    if MOSQUITTO is None and os.environ.get("SMOKE_TEST_REQUIRE_ALL") != "1":
        pytest.skip("mosquitto is not installed (Debian: apt-get install mosquitto)")
    return free_port()


@pytest.fixture
def broker(tmp_path: Path, port: int) -> Iterator[Mosquitto]:
    mosquitto = Mosquitto(tmp_path, port)
    yield mosquitto
    mosquitto.stop()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        yield from serving(server)
