"""MQTT against a real Mosquitto on the loopback."""

import asyncio
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import aiomqtt
import pytest

from service.api.schemas.notifications import MqttStateBody
from service.cameras.alarm import AlarmState
from service.cameras.camera import AlarmTransition
from service.notifications.mqtt import BrokerOptions, Mqtt, discovery
from service.notifications.outbox import DeliveryFailed, Outbox, RetryPolicy
from tests.pictures import file_of, plume

MOSQUITTO = shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")
if MOSQUITTO is None and os.environ.get("SMOKE_TEST_REQUIRE_ALL") != "1":
    pytest.skip("mosquitto is not installed (Debian: apt-get install mosquitto)", allow_module_level=True)

RAISED = AlarmTransition("ridge", AlarmState.SUSPECTED, AlarmState.ALARM, 1_767_268_800.0, 1.0, 3, ())
PATIENT = RetryPolicy(pause_s=0.05, pause_max_s=0.2, attempts=100, drain_s=10.0)


class Mosquitto:
    """A broker process on a port of its own; a password where one is given."""

    def __init__(self, folder: Path, port: int, password: str | None = None) -> None:
        lines = [f"listener {port} 127.0.0.1", "persistence false"]
        lines += (
            ["allow_anonymous true"] if password is None else ["allow_anonymous false", f"password_file {folder}/users"]
        )
        if password is not None:
            (folder / "users").touch(mode=0o600)
            subprocess.run(["mosquitto_passwd", "-b", str(folder / "users"), "smoke", password], check=True)
        # Started by root it would become the user mosquitto, who may not read the test's folder.
        (folder / "mosquitto.conf").write_text("\n".join([*lines, "user root"]) + "\n")
        assert MOSQUITTO, "mosquitto is required"
        self.port = port
        command = [MOSQUITTO, "-c", str(folder / "mosquitto.conf")]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._await_port()

    def _await_port(self) -> None:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError("mosquitto did not start")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number: int = free.getsockname()[1]
        return number


@pytest.fixture
def broker(tmp_path: Path, port: int) -> Iterator[Mosquitto]:
    mosquitto = Mosquitto(tmp_path, port)
    yield mosquitto
    mosquitto.stop()


async def retained(port: int, count: int, **login: str) -> dict[str, bytes]:
    """What a subscriber who comes now is told at once."""
    found: dict[str, bytes] = {}
    async with aiomqtt.Client("127.0.0.1", port, **login) as client, asyncio.timeout(10):
        await client.subscribe("#")
        async for message in client.messages:
            found[message.topic.value] = message.payload
            if len(found) == count:
                return found
    return found


def test_a_state_is_retained_announced_to_home_assistant_and_the_connection_said_online(broker):
    async def run() -> dict[str, bytes]:
        outbox = Outbox(Mqtt(BrokerOptions("127.0.0.1", broker.port), pause_s=0.05), lambda *_: None, PATIENT)
        async with outbox.running():
            outbox.offer(RAISED)
            await outbox._idle.wait()
            return await retained(broker.port, 3)

    found = asyncio.run(run())
    assert found["smoke/status"] == b"online"
    MqttStateBody.model_validate_json(found["smoke/camera/ridge/state"], strict=True)
    assert json.loads(found["smoke/camera/ridge/state"]) == {
        "state": "alarm",
        "since": "2026-01-01T12:00:00.000Z",
        "score": 1.0,
        "frames": 3,
    }
    config = json.loads(found["homeassistant/binary_sensor/smoke_ridge/config"])
    assert config["state_topic"] == config["json_attributes_topic"] == "smoke/camera/ridge/state"
    assert (config["device_class"], config["availability_topic"]) == ("smoke", "smoke/status")


def test_leaving_says_offline_and_keeps_the_last_state(broker):
    async def run() -> dict[str, bytes]:
        outbox = Outbox(Mqtt(BrokerOptions("127.0.0.1", broker.port), pause_s=0.05), lambda *_: None, PATIENT)
        async with outbox.running():
            outbox.offer(RAISED)
        return await retained(broker.port, 3)

    found = asyncio.run(run())
    assert found["smoke/status"] == b"offline"
    assert json.loads(found["smoke/camera/ridge/state"])["state"] == "alarm"


def test_a_broker_that_was_away_hears_everything_when_it_is_back(tmp_path, port):
    results: list[str] = []

    async def run() -> dict[str, bytes]:
        channel = Mqtt(BrokerOptions("127.0.0.1", port), pause_s=0.05)
        outbox = Outbox(channel, lambda _, result: results.append(result), PATIENT)
        async with outbox.running():
            outbox.offer(RAISED)
            await asyncio.sleep(0.2)
            assert results == []
            mosquitto = await asyncio.to_thread(Mosquitto, tmp_path, port)
            try:
                await outbox._idle.wait()
                assert len(await retained(port, 3)) == 3
            finally:
                await asyncio.to_thread(mosquitto.stop)
            mosquitto = await asyncio.to_thread(Mosquitto, tmp_path, port)  # it forgot what it had retained
            try:
                return await retained(port, 3)
            finally:
                await asyncio.to_thread(mosquitto.stop)

    found = asyncio.run(run())
    assert results == ["delivered"]
    assert json.loads(found["smoke/camera/ridge/state"])["state"] == "alarm"


def test_without_a_connection_a_delivery_fails_in_words():
    async def run() -> None:
        await Mqtt(BrokerOptions("127.0.0.1", 9)).deliver(RAISED)

    with pytest.raises(DeliveryFailed, match="found no connection to the broker"):
        asyncio.run(run())


def test_ids_that_home_assistant_would_take_for_one_stay_two():
    topics = {discovery(camera_id, "smoke")[0] for camera_id in ("a.b", "a_b", "a-b")}
    assert len(topics) == 3
    assert all(topic.split("/")[2].replace("-", "").replace("_", "").isalnum() for topic in topics)


def test_the_service_publishes_its_cameras_with_the_password_from_a_file(open_client, tmp_path, port):
    mosquitto = Mosquitto(tmp_path, port, password="over the hill")  # noqa: S106
    try:
        (tmp_path / "password").write_text("over the hill\n")
        client = open_client(
            mqtt_host="127.0.0.1", mqtt_port=port, mqtt_username="smoke", mqtt_password_file=tmp_path / "password"
        )
        for minute in range(3):
            query = f"camera_id=ridge&captured_at=2026-05-01T12:{minute:02}:00Z&outputs="
            assert client.post(f"/segment?{query}", content=file_of(plume())).status_code == 200

        async def alarmed() -> None:
            login = {"username": "smoke", "password": "over the hill"}
            async with aiomqtt.Client("127.0.0.1", port, **login) as subscriber, asyncio.timeout(10):
                await subscriber.subscribe("smoke/camera/ridge/state")
                async for message in subscriber.messages:
                    if json.loads(message.payload)["state"] == "alarm":
                        return

        asyncio.run(alarmed())
        assert 'smoke_notifications_total{channel="mqtt",result="delivered"}' in client.get("/metrics").text
    finally:
        mosquitto.stop()
