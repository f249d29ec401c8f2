"""MQTT against a real Mosquitto on the loopback."""

import asyncio
import gc
import json
import ssl
import time
from contextlib import suppress
from typing import Any

import aiomqtt
import pytest
import trustme

from service.api.schemas.notifications import MqttStateBody
from service.cameras.alarm import Acknowledgement, AlarmState, CameraAlarm
from service.cameras.alarm_status import AlarmTransition
from service.cameras.camera import Camera, CameraView
from service.notifications import mqtt as mqtt_module
from service.notifications.broker import BrokerOptions
from service.notifications.mqtt import Mqtt
from service.notifications.topics import Topics, state_body
from service.runtime.backoff import Backoff
from service.timestamps import instant
from tests.service.notifications.mosquitto import (
    AVAILABILITY,
    CONFIG,
    PATIENCE_S,
    STATE,
    Mosquitto,
    heard,
    held,
    retained,
)

SINCE_S = 1_767_268_800.0
ALARM = {"state": "alarm", "since": "2026-01-01T12:00:00.000Z", "score": 1.0, "frames": 3}
CLEAR = {"state": "clear", "since": None, "score": 0.0, "frames": 0}
RAISED = AlarmTransition("ridge", AlarmState.SUSPECTED, AlarmState.ALARM, SINCE_S, 1.0, 3, ())


def camera(state: str = "alarm", camera_id: str = "ridge", silent_s: float = 0.0) -> Camera:
    alarm = CameraAlarm() if state == "clear" else CameraAlarm(AlarmState(state), SINCE_S, 1.0, 3)
    return Camera(camera_id, camera_id, {"": CameraView(alarm)}, last_frame_s=time.time() - silent_s)


def publisher(port: int, cameras: list[Camera], results: list[str] | None = None, **more: float) -> Mqtt:
    told = [] if results is None else results
    options = {"backoff": Backoff(0.05), "period_s": 0.05, **more}
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
        monkeypatch.setattr("service.notifications.mqtt.GONE_S", 0.2)
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
        mqtt = Mqtt(options, lambda: [camera()], lambda *_: None, backoff=Backoff(0.05))
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
