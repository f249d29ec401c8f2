"""MQTT against a real Mosquitto on the loopback."""

import asyncio
import gc
import json
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
import trustme
from starlette.testclient import TestClient

from service.api.schemas.notifications import MqttStateBody
from service.cameras.alarm import Acknowledgement, AlarmState, CameraAlarm
from service.cameras.alarm_status import AlarmTransition
from service.cameras.camera import Camera, CameraView
from service.errors import SettingsInvalid
from service.notifications import mqtt as mqtt_module
from service.notifications.broker import BrokerOptions
from service.notifications.mqtt import Mqtt
from service.notifications.topics import Topics, state_body
from service.runtime.slot import LoadedModel
from service.server.app import create_app
from service.settings import Settings
from service.timestamps import instant
from tests.pictures import file_of, plain, plume
from tests.ports import free_port

MOSQUITTO = shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")
if MOSQUITTO is None and os.environ.get("SMOKE_TEST_REQUIRE_ALL") != "1":
    pytest.skip("mosquitto is not installed (Debian: apt-get install mosquitto)", allow_module_level=True)

PATIENCE_S = 60.0
SINCE_S = 1_767_268_800.0
ALARM = {"state": "alarm", "since": "2026-01-01T12:00:00.000Z", "score": 1.0, "frames": 3}
CLEAR = {"state": "clear", "since": None, "score": 0.0, "frames": 0}
RAISED = AlarmTransition("ridge", AlarmState.SUSPECTED, AlarmState.ALARM, SINCE_S, 1.0, 3, ())
CONFIG = "homeassistant/binary_sensor/smoke_ridge/config"
STATE = "smoke/camera/ridge/state"
AVAILABILITY = "smoke/camera/ridge/availability"


def camera(state: str = "alarm", camera_id: str = "ridge", silent_s: float = 0.0) -> Camera:
    alarm = CameraAlarm() if state == "clear" else CameraAlarm(AlarmState(state), SINCE_S, 1.0, 3)
    return Camera(camera_id, camera_id, {"": CameraView(alarm)}, last_frame_s=time.time() - silent_s)


class Mosquitto:
    """A broker process on a port of its own; a password where one is given."""

    def __init__(self, folder: Path, port: int, password: str | None = None, *more: str) -> None:
        lines = [f"listener {port} 127.0.0.1", "persistence false", *more]
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
        for _ in range(1200):
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError("mosquitto did not start")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def broker(tmp_path: Path, port: int) -> Iterator[Mosquitto]:
    mosquitto = Mosquitto(tmp_path, port)
    yield mosquitto
    mosquitto.stop()


async def retained(port: int, wanted: Callable[[dict[str, bytes]], bool]) -> dict[str, bytes]:
    """What a subscriber is told until it has heard what is wanted."""
    found: dict[str, bytes] = {}
    async with aiomqtt.Client("127.0.0.1", port) as client, asyncio.timeout(PATIENCE_S):
        await client.subscribe("#")
        async for message in client.messages:
            found[message.topic.value] = message.payload
            if wanted(found):
                return found
    return found


async def held(port: int, wanted: Callable[[dict[str, bytes]], bool]) -> dict[str, bytes]:
    """All that the broker holds, once it is what is wanted: what is retained comes before what is published after subscribing."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found: dict[str, bytes] = {}
            async with aiomqtt.Client("127.0.0.1", port) as client:
                await client.subscribe("#")
                await client.publish("end")
                async for message in client.messages:
                    if message.topic.value == "end":
                        break
                    if message.retain:
                        found[message.topic.value] = message.payload
            if wanted(found):
                return found


async def heard(port: int, state: str | None, availability: str = "online", status: str = "online") -> dict[str, bytes]:
    """Wait until the broker holds this of `ridge`; None for a state that is cleared."""

    def fits(found: dict[str, bytes]) -> bool:
        told = found.get(STATE) or b""
        now = json.loads(told)["state"] if told else None
        rest = (found.get(AVAILABILITY, b"").decode(), found.get("smoke/status", b"").decode())
        return (now, *rest) == (state, availability, status)

    return await retained(port, fits)


def publisher(port: int, cameras: list[Camera], results: list[str] | None = None, **more: float) -> Mqtt:
    told = [] if results is None else results
    options = {"pause_s": 0.05, "period_s": 0.05, **more}
    return Mqtt(
        BrokerOptions("127.0.0.1", port), lambda: list(cameras), lambda _, result: told.append(result), **options
    )


def test_a_camera_is_published_and_announced_to_home_assistant_before_it_has_ever_seen_smoke(broker):
    async def run() -> dict[str, bytes]:
        async with publisher(broker.port, [camera("clear")]).running():
            return await heard(broker.port, "clear")

    found = asyncio.run(run())
    assert found["smoke/status"] == b"online"
    MqttStateBody.model_validate_json(found[STATE], strict=True)
    assert json.loads(found[STATE]) == CLEAR
    config = json.loads(found[CONFIG])
    assert config["state_topic"] == config["json_attributes_topic"] == STATE
    assert config["device_class"] == "smoke"
    assert [entry["topic"] for entry in config["availability"]] == ["smoke/status", AVAILABILITY]
    assert config["availability_mode"] == "all"
    assert "availability_topic" not in config  # Home Assistant takes one of the two


def test_who_has_taken_an_alarm_on_is_published():
    known = camera()
    known.alarm.acknowledged = Acknowledgement("anna", SINCE_S)
    assert state_body(known)["acknowledged"] == {"by": "anna", "at": instant(SINCE_S)}
    MqttStateBody.model_validate_json(json.dumps(state_body(known)), strict=True)
    assert "acknowledged" not in state_body(camera())


def test_a_change_is_published_at_once_and_counted(broker):
    results: list[str] = []
    cameras = [camera("clear")]

    async def run() -> dict[str, bytes]:
        mqtt = publisher(broker.port, cameras, results, period_s=60.0)
        async with mqtt.running():
            await heard(broker.port, "clear")
            assert results == []
            cameras[0].views = camera().views
            mqtt.notify(RAISED)
            return await heard(broker.port, "alarm")

    assert json.loads(asyncio.run(run())[STATE]) == ALARM
    assert results == ["delivered"]


def test_leaving_says_offline_and_keeps_the_last_state(broker):
    async def run() -> dict[str, bytes]:
        mqtt = publisher(broker.port, [camera()])
        async with mqtt.running():
            mqtt.notify(RAISED)
        return await heard(broker.port, "alarm", status="offline")

    assert json.loads(asyncio.run(run())[STATE]) == ALARM


def test_a_broker_that_was_away_or_restarted_hears_everything(tmp_path, port):
    results: list[str] = []

    async def run() -> None:
        mqtt = publisher(port, [camera(), camera("clear", "meadow")], results)
        async with mqtt.running():
            mqtt.notify(RAISED)
            await asyncio.sleep(0.2)
            assert (results, mqtt.connected) == ([], False)
            assert mqtt.waiting_s >= 0.2
            for _ in range(2):  # the second one has forgotten what the first had retained
                mosquitto = await asyncio.to_thread(Mosquitto, tmp_path, port)
                try:
                    found = await heard(port, "alarm")
                    assert json.loads(found[STATE]) == ALARM
                    assert await retained(port, lambda found: "smoke/camera/meadow/availability" in found)
                    assert (mqtt.connected, mqtt.waiting_s) == (True, 0.0)
                finally:
                    await asyncio.to_thread(mosquitto.stop)

    asyncio.run(run())
    assert results == ["delivered"]


def test_a_broker_that_goes_as_the_service_leaves_does_not_hold_it_up(broker, monkeypatch):
    async def refuse(_self: aiomqtt.Client, topic: str, payload: bytes, **_: object) -> None:
        if (topic, payload) == ("smoke/status", b"offline"):
            raise aiomqtt.MqttError("the broker is gone")

    async def run() -> None:
        async with asyncio.timeout(PATIENCE_S), publisher(broker.port, [camera()]).running():
            await heard(broker.port, "alarm")
            monkeypatch.setattr(aiomqtt.Client, "publish", refuse)

    asyncio.run(run())


def test_a_service_that_leaves_as_the_broker_answers_ends_and_says_so(broker, monkeypatch):
    """As `asyncio.wait_for` of Python 3.11 does, with which aiomqtt waits: what ends the task is lost where the answer has come too."""
    answered, publish = asyncio.Event(), aiomqtt.Client.publish

    async def lose(self: aiomqtt.Client, topic: str, payload: bytes, **options: Any) -> None:
        await publish(self, topic, payload, **options)
        if (topic, payload) == ("smoke/status", b"online"):
            answered.set()
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

    async def run() -> None:
        monkeypatch.setattr(aiomqtt.Client, "publish", lose)
        async with asyncio.timeout(PATIENCE_S), publisher(broker.port, [camera()]).running():
            await answered.wait()
        await retained(broker.port, lambda found: found.get("smoke/status") == b"offline")

    asyncio.run(run())


def test_what_the_broker_holds_of_a_camera_that_is_not_known_any_more_is_no_alarm_and_not_available(broker):
    """A service that starts again without a state file."""

    async def run() -> None:
        async with publisher(broker.port, [camera()]).running():
            await heard(broker.port, "alarm")
        cameras: list[Camera] = []
        async with publisher(broker.port, cameras).running():
            found = await heard(broker.port, None, "offline")
            assert CONFIG in found  # it stays known to Home Assistant, as it may come back
            cameras.append(camera("clear"))
            await heard(broker.port, "clear")

    asyncio.run(run())


def test_of_a_camera_that_does_not_come_back_for_a_day_nothing_is_left(broker, monkeypatch):
    async def run() -> None:
        async with publisher(broker.port, [camera()]).running():
            await heard(broker.port, "alarm")
        monkeypatch.setattr("service.notifications.mqtt._GONE_S", 0.2)
        async with publisher(broker.port, []).running():
            await held(broker.port, lambda found: found == {"smoke/status": b"online"})

    asyncio.run(run())


def test_a_camera_that_is_forgotten_is_cleared_and_others_stay(broker):
    cameras = [camera(), camera("clear", "meadow")]

    async def run() -> dict[str, bytes]:
        async with publisher(broker.port, cameras).running():
            await heard(broker.port, "alarm")
            del cameras[0]
            return await held(broker.port, lambda found: not any("ridge" in topic for topic in found))

    found = asyncio.run(run())
    assert len(found) == 4
    assert json.loads(found["smoke/camera/meadow/state"]) == CLEAR


def test_a_camera_that_is_silent_becomes_unavailable_and_comes_back(broker):
    cameras = [camera(silent_s=1000.0)]

    async def run() -> None:
        async with publisher(broker.port, cameras).running():
            await heard(broker.port, "alarm", "offline")
            cameras[0].last_frame_s = time.time()
            await heard(broker.port, "alarm", "online")

    asyncio.run(run())


def test_a_state_is_said_again_before_it_expires(broker, monkeypatch):
    monkeypatch.setattr("service.notifications.mqtt._AGAIN_S", 0.1)

    async def run() -> list[bytes]:
        async with (
            publisher(broker.port, [camera()]).running(),
            aiomqtt.Client("127.0.0.1", broker.port) as subscriber,
            asyncio.timeout(PATIENCE_S),
        ):
            await subscriber.subscribe(STATE)
            return [(await anext(aiter(subscriber.messages))).payload for _ in range(4)]

    assert [json.loads(said) for said in asyncio.run(run())] == [ALARM] * 4
    assert Topics("smoke").discovery("ridge")[1]["expire_after"] > 5 * mqtt_module._AGAIN_S


def test_hundreds_of_cameras_are_published_alarms_first(broker):
    cameras = [camera("clear", f"camera-{number}") for number in range(300)] + [camera()]

    async def run() -> list[str]:
        topics: list[str] = []
        async with aiomqtt.Client("127.0.0.1", broker.port) as subscriber, asyncio.timeout(PATIENCE_S):
            await subscriber.subscribe("#")
            async with publisher(broker.port, cameras, period_s=PATIENCE_S).running():
                while len(topics) < 3 * 301 + 1:
                    topics.append((await anext(aiter(subscriber.messages))).topic.value)
        return topics

    topics = asyncio.run(run())
    assert len(set(topics)) == len(topics)
    assert topics.index(STATE) < 3 * 100


def test_without_a_broker_changes_are_counted_as_dropped_at_the_end(monkeypatch):
    monkeypatch.setattr("service.notifications.mqtt._DRAIN_S", 0.05)
    results: list[str] = []

    async def run() -> None:
        mqtt = publisher(9, [camera()], results)
        async with mqtt.running():
            mqtt.notify(RAISED)
            mqtt.notify(RAISED)

    asyncio.run(run())
    assert results == ["dropped"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_broker_with_a_certificate_of_ones_own_authority_is_believed_where_that_is_named(tmp_path, port, caplog):
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "certificate.pem"))
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    tls = (f"certfile {tmp_path}/certificate.pem", f"keyfile {tmp_path}/key.pem")
    mosquitto = Mosquitto(tmp_path, port, None, *tls)

    async def connected(context: ssl.SSLContext) -> bool:
        options = BrokerOptions("127.0.0.1", port, tls=context)
        mqtt = Mqtt(options, lambda: [camera()], lambda *_: None, pause_s=0.05)
        async with mqtt.running(), asyncio.timeout(PATIENCE_S):
            while not mqtt.connected and not refused():  # noqa: ASYNC110 - told by the log
                await asyncio.sleep(0.02)
            return mqtt.connected

    def refused() -> bool:
        return "certificate verify failed" in str([vars(record) for record in caplog.records])

    try:
        assert not asyncio.run(connected(ssl.create_default_context()))
        caplog.clear()
        assert asyncio.run(connected(ssl.create_default_context(cafile=tmp_path / "authority.pem")))
        gc.collect()  # paho leaves the sockets of handshakes that failed to it, and each is a warning
    finally:
        mosquitto.stop()


def test_ids_that_home_assistant_would_take_for_one_stay_two():
    topics = {Topics("smoke").discovery(camera_id)[0] for camera_id in ("a.b", "a_b", "a-b")}
    assert len(topics) == 3
    assert all(topic.split("/")[2].replace("-", "").replace("_", "").isalnum() for topic in topics)


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
