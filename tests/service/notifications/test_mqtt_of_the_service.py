"""The whole service beside a real Mosquitto."""

import asyncio
import json

import aiomqtt
import pytest
from starlette.testclient import TestClient

from service.errors import SettingsInvalid
from service.runtime.slot import LoadedModel
from service.server.app import create_app
from service.settings import Settings
from tests.pictures import file_of, plain, plume
from tests.service.notifications.mosquitto import (
    PATIENCE_S,
    Mosquitto,
    heard,
)


def test_the_service_publishes_its_cameras_with_the_password_from_a_file(open_client, tmp_path, port):
    mosquitto = Mosquitto(tmp_path, port, password="over the hill")
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
            async with aiomqtt.Client("127.0.0.1", port, **login) as subscriber, asyncio.timeout(PATIENCE_S):
                await subscriber.subscribe("smoke/camera/ridge/state")
                async for message in subscriber.messages:
                    if json.loads(message.payload)["state"] == "alarm":
                        return

        asyncio.run(alarmed())
        assert 'smoke_notifications_total{channel="mqtt",result="delivered"}' in client.get("/metrics").text
    finally:
        mosquitto.stop()


def post(client: TestClient, minute: int, frame) -> dict:
    query = f"camera_id=ridge&captured_at=2026-05-01T12:{minute:02}:00Z&outputs="
    return client.post(f"/segment?{query}", content=file_of(frame)).json()["alarm"]


@pytest.mark.parametrize("remembered", [True, False])
def test_a_service_that_starts_again_tells_what_it_knows(model, tmp_path, broker, remembered):
    """With a state file the alarm is in force still, and told to a broker that has forgotten it; without, it is not known."""
    file = {"state_file": tmp_path / "state.json"} if remembered else {}
    settings = Settings.load(wait_max_ms=600_000, mqtt_host="127.0.0.1", mqtt_port=broker.port, **file)

    def started() -> TestClient:
        return TestClient(create_app(settings, lambda: LoadedModel(model, lambda: model)))

    with started() as client:
        post(client, 0, plain(0, 0, 0))
        asyncio.run(heard(broker.port, "clear"))
        for minute in range(1, 4):
            post(client, minute, plume())
        asyncio.run(heard(broker.port, "alarm"))
    if remembered:
        broker.stop()
        broker.__init__(tmp_path, broker.port)
    with started() as client:
        asyncio.run(heard(broker.port, "alarm" if remembered else None, "online" if remembered else "offline"))
        assert 'smoke_notifications_connected{channel="mqtt"} 1.0' in client.get("/metrics").text
        post(client, 9, plain(0, 0, 0))
        asyncio.run(heard(broker.port, "alarm" if remembered else "clear"))


def test_certificates_without_tls_or_that_cannot_be_read_are_refused_at_the_start(open_client, tmp_path):
    with pytest.raises(SettingsInvalid, match="SMOKE_MQTT_TLS where SMOKE_MQTT_CA_FILE is set"):
        open_client(mqtt_host="127.0.0.1", mqtt_ca_file=tmp_path / "authority.pem")
    with pytest.raises(SettingsInvalid, match=r"SMOKE_MQTT_CA_FILE: .*authority.pem"):
        open_client(mqtt_host="127.0.0.1", mqtt_tls=True, mqtt_ca_file=tmp_path / "authority.pem")
