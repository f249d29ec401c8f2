"""MQTT: each camera's state as a retained topic, announced to Home Assistant as a smoke detector; the last will says `offline`.

PREFIX/status                                       online | offline
PREFIX/camera/CAMERA/state                          {"state": "alarm", "since": ..., "score": ..., "frames": ...}
homeassistant/binary_sensor/smoke_CAMERA/config     discovery
"""

import asyncio
import json
import logging
import re
import ssl
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import aiomqtt

from service.cameras.camera import AlarmTransition
from service.notifications.outbox import DeliveryFailed
from service.runtime.supervision import Supervisor
from service.timestamps import instant

_LOG = logging.getLogger("service.notifications")
_TIMEOUT_S: Final = 5.0
_PAUSE_S: Final = 2.0
_PAUSE_MAX_S: Final = 60.0
_KNOWN_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class BrokerOptions:
    """Where the broker is, and who we are to it."""

    host: str
    port: int = 1883
    username: str | None = None
    password: str | None = None
    tls: bool = False
    prefix: str = "smoke"


class Mqtt:
    """A channel of `service.notifications.outbox`; holds the connection, and on a new one says everything again.

    Args:
        broker: See there.
        pause_s: Before the second attempt to connect, doubled before each further one.
        supervisor: Keeps the connection's task going.
    """

    name = "mqtt"

    def __init__(self, broker: BrokerOptions, pause_s: float = _PAUSE_S, supervisor: Supervisor | None = None) -> None:
        self._supervisor = supervisor or Supervisor()
        self._broker = broker
        self._pause_s = pause_s
        self._client: aiomqtt.Client | None = None
        self._known: dict[str, bytes] = {}

    def wants(self, change: AlarmTransition) -> bool:  # noqa: ARG002
        """Every change: the topic is the camera's state."""
        return True

    async def deliver(self, change: AlarmTransition) -> None:
        """Publish it, announced once per connection. Raises DeliveryFailed."""
        state = _state(change)
        fresh = change.camera_id not in self._known
        if not fresh or len(self._known) < _KNOWN_MAX:
            self._known[change.camera_id] = state
        if self._client is None:
            raise DeliveryFailed("found no connection to the broker")
        try:
            await self._say(self._client, change.camera_id, state, announce=fresh)
        except aiomqtt.MqttError as error:
            raise DeliveryFailed(str(error)) from error

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Keep the connection in the background; leaving says `offline`."""
        async with self._supervisor.running("keep mqtt connection", self._keep, needed=True):
            yield

    async def _keep(self) -> None:
        pause_s = self._pause_s
        while True:
            try:
                async with self._connection() as client:
                    await self._greet(client)
                    pause_s, self._client = self._pause_s, client
                    await self._until_lost(client)
            except (aiomqtt.MqttError, OSError) as error:
                _LOG.warning("mqtt connection lost", extra={"host": self._broker.host, "error": str(error)})
            finally:
                self._client = None
            await asyncio.sleep(pause_s)
            pause_s = min(_PAUSE_MAX_S, 2 * pause_s)

    def _connection(self) -> aiomqtt.Client:
        broker = self._broker
        return aiomqtt.Client(
            broker.host,
            broker.port,
            username=broker.username,
            password=broker.password,
            tls_context=ssl.create_default_context() if broker.tls else None,
            will=aiomqtt.Will(self._status, b"offline", qos=1, retain=True),
            timeout=_TIMEOUT_S,
        )

    @property
    def _status(self) -> str:
        return f"{self._broker.prefix}/status"

    async def _greet(self, client: aiomqtt.Client) -> None:
        await client.publish(self._status, b"online", qos=1, retain=True)
        for camera_id, state in list(self._known.items()):
            await self._say(client, camera_id, state, announce=True)

    async def _until_lost(self, client: aiomqtt.Client) -> None:
        """Nothing is subscribed to: the loop over messages ends when the connection does."""
        try:
            async for _ in client.messages:
                pass
        except asyncio.CancelledError:
            await client.publish(self._status, b"offline", qos=1, retain=True)
            raise

    async def _say(self, client: aiomqtt.Client, camera_id: str, state: bytes, *, announce: bool) -> None:
        if announce:
            topic, config = discovery(camera_id, self._broker.prefix)
            await client.publish(topic, json.dumps(config), qos=1, retain=True)
        await client.publish(_topic(self._broker.prefix, camera_id), state, qos=1, retain=True)


def discovery(camera_id: str, prefix: str) -> tuple[str, dict[str, object]]:
    """Topic and body by which Home Assistant learns of a camera."""
    name = re.sub(r"[^A-Za-z0-9_-]", "_", camera_id)
    # An id with a dot, which Home Assistant does not take, must not become another camera's.
    unique = f"smoke_{name}" if name == camera_id else f"smoke_{name}_{zlib.crc32(camera_id.encode()):08x}"
    topic = _topic(prefix, camera_id)
    config: dict[str, object] = {
        "name": None,
        "unique_id": unique,
        "device_class": "smoke",
        "state_topic": topic,
        "value_template": "{{ 'ON' if value_json.state == 'alarm' else 'OFF' }}",
        "json_attributes_topic": topic,
        "availability_topic": f"{prefix}/status",
        "device": {"identifiers": [unique], "name": f"Smoke {camera_id}", "manufacturer": "smoke-bvm"},
    }
    return f"homeassistant/binary_sensor/{unique}/config", config


def _topic(prefix: str, camera_id: str) -> str:
    return f"{prefix}/camera/{camera_id}/state"


def _state(change: AlarmTransition) -> bytes:
    told = {
        "state": change.after,
        "since": instant(change.since_s),
        "score": round(change.score, 6),
        "frames": change.frames,
    }
    return json.dumps(told).encode()
