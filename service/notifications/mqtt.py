"""MQTT: each camera's state as a retained topic, announced to Home Assistant as a smoke detector.

PREFIX/status                                       online | offline (by the last will too)
PREFIX/camera/CAMERA/state                          {"state": "alarm", "since": ..., "score": ..., "frames": ...}
PREFIX/camera/CAMERA/availability                   online | offline: whether it sends frames
PREFIX/camera/CAMERA/alarm/image                    its latest alarm's picture, a JPEG, where pictures are kept
homeassistant/binary_sensor/smoke_CAMERA/config     discovery
homeassistant/image/smoke_CAMERA_image/config       discovery of the picture, with the first one

What the broker was told is held against the cameras again and again, and every difference is published: at the first frame, after a
restart of either side, when a camera is forgotten (by empty payloads). The topics below a prefix belong to one service.
"""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Final, NamedTuple

import aiomqtt

from service.cameras.alarm import AlarmState
from service.cameras.alarm_status import AlarmTransition
from service.cameras.camera import GONE_S, Camera
from service.notifications.broker import BrokerOptions, connection
from service.notifications.links import AlarmLinks
from service.notifications.topics import EXPIRE_S, Topics, state_body
from service.runtime.backoff import Backoff
from service.runtime.supervision import Supervisor, end_if_cancelled

_LOG = logging.getLogger("service.notifications")
_BACKOFF: Final = Backoff(first_s=2.0, longest_s=60.0)
_PERIOD_S: Final = 1.0
_DRAIN_S: Final = 3.0
_AGAIN_S: Final = EXPIRE_S / 5
_SILENT_S: Final = 900.0
"""A camera that sends nothing for longer is `offline`."""
_CHANGED_MAX: Final = 20_000
_AT_ONCE: Final = 20


class _Told(NamedTuple):
    """What the broker knows of a camera, and since when."""

    state: AlarmState
    since_s: float
    online: bool
    at_s: float


class Mqtt:
    """A sink of `service.notifications.notifier`.

    Args:
        broker: See there.
        cameras: Gives the cameras as they are now.
        report: Told the channel and the result of each change: delivered or dropped.
        backoff: Before a connection that was lost, or did not come about, is tried again.
        period_s: How often it is looked for differences when no change is told.
        supervisor: Keeps the connection's task going.
        links: Where the state sends people.

    Attributes:
        connected: Whether the broker hears us.
    """

    name = "mqtt"

    def __init__(
        self,
        broker: BrokerOptions,
        cameras: Callable[[], Iterable[Camera]],
        report: Callable[[str, str], None],
        backoff: Backoff = _BACKOFF,
        period_s: float = _PERIOD_S,
        supervisor: Supervisor | None = None,
        links: AlarmLinks | None = None,
    ) -> None:
        self._supervisor = supervisor or Supervisor()
        self._links = links or AlarmLinks()
        self._pictures: dict[str, bytes] = {}
        self._shown: dict[str, bytes] = {}
        self._broker = broker
        self._topics = Topics(broker.prefix)
        self._cameras = cameras
        self._report = report
        self._backoff = backoff
        self._period_s = period_s
        self._changed: dict[str, float] = {}
        self._told: dict[str, _Told] = {}
        self._strangers: set[str] = set()
        self._orphans: dict[str, float] = {}
        self._woken = asyncio.Event()
        self._settled = asyncio.Event()
        self._settled.set()
        self.connected = False

    @property
    def waiting_s(self) -> float:
        """For how long the broker has not known of a change."""
        return time.monotonic() - min(self._changed.values()) if self._changed else 0.0

    @property
    def undelivered(self) -> list[AlarmTransition]:
        """Nothing: after a restart every state is published anyway."""
        return []

    def resume(self, changes: Iterable[AlarmTransition]) -> None:
        """Nothing to take in."""

    def notify(self, change: AlarmTransition) -> None:
        """Publish a camera's state soon; returns at once."""
        self._changed.setdefault(change.camera_id, time.monotonic())
        if len(self._changed) > _CHANGED_MAX:
            self._drop(next(iter(self._changed)))
        self._settled.clear()
        self._woken.set()

    def show(self, camera_id: str, picture: bytes) -> None:
        """Publish a picture of a camera's alarm soon; returns at once."""
        self._pictures[camera_id] = picture
        self._woken.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the connection in the background; leaving says `offline`."""
        async with self._supervisor.running("keep mqtt connection", self._keep, needed=True):
            try:
                yield
            finally:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_DRAIN_S):
                        await self._settled.wait()
        for camera_id in list(self._changed):
            self._drop(camera_id)

    async def _keep(self) -> None:
        failures = 0
        while True:
            try:
                async with connection(self._broker, self._topics.status) as client:
                    failures, self.connected = 0, True
                    await self._serve(client)
            except (aiomqtt.MqttError, OSError) as error:
                _LOG.warning("mqtt connection lost", extra={"host": self._broker.host, "error": str(error)})
            except Exception:  # noqa: BLE001 - whatever it is, the next connection may be without it
                _LOG.exception("mqtt connection failed unexpectedly", extra={"host": self._broker.host})
            finally:
                self.connected = False
            end_if_cancelled()
            failures += 1
            await asyncio.sleep(self._backoff.after(failures))

    async def _serve(self, client: aiomqtt.Client) -> None:
        """Say everything, then every difference, until the connection is lost."""
        self._told.clear()
        self._shown.clear()
        try:
            await self._publish(client, self._topics.status, b"online")
            await client.subscribe(self._topics.of_all_cameras, qos=1)
            end_if_cancelled()
            await self._keep_telling(client)
        except asyncio.CancelledError:
            await client.publish(self._topics.status, b"offline", qos=1, retain=True)
            raise

    async def _keep_telling(self, client: aiomqtt.Client) -> None:
        work = [asyncio.create_task(self._listen(client)), asyncio.create_task(self._reconcile(client))]
        try:
            await asyncio.gather(*work)
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)

    async def _listen(self, client: aiomqtt.Client) -> None:
        """Learn what the broker still holds of cameras from before this start; ends with the connection."""
        async for message in client.messages:
            camera_id = self._topics.camera_of(message.topic.value)
            if message.retain and message.payload and camera_id is not None:
                self._strangers.add(camera_id)
                self._woken.set()

    async def _reconcile(self, client: aiomqtt.Client) -> None:
        while True:
            self._woken.clear()
            cameras = sorted(self._cameras(), key=self._urgency)
            for start in range(0, len(cameras), _AT_ONCE):
                await asyncio.gather(*(self._tell(client, camera) for camera in cameras[start : start + _AT_ONCE]))
            for camera_id, picture in list(self._pictures.items()):
                await self._picture(client, camera_id, picture)
            await self._clear(client, {camera.id for camera in self._cameras()})
            if not self._changed:
                self._settled.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._period_s):
                    await self._woken.wait()

    def _urgency(self, camera: Camera) -> tuple[bool, bool]:
        return camera.alarm.state is not AlarmState.ALARM, camera.id not in self._changed

    async def _tell(self, client: aiomqtt.Client, camera: Camera) -> None:
        """Publish what the broker does not know yet, and the rest again before it expires."""
        alarm, told, now_s = camera.alarm, self._told.get(camera.id), time.monotonic()
        now = _Told(alarm.state, alarm.since_s, time.time() - (camera.last_frame_s or 0.0) <= _SILENT_S, now_s)
        if told is None:
            topic, config = self._topics.discovery(camera.id)
            await self._publish(client, topic, json.dumps(config).encode())
        elif (
            camera.id not in self._changed and told[:3] == now[:3] and (not now.online or now_s - told.at_s < _AGAIN_S)
        ):
            return
        changed_s = self._changed.pop(camera.id, None)
        try:
            await self._publish(client, self._topics.state(camera.id), json.dumps(self._state_of(camera)).encode())
            await self._publish(client, self._topics.availability(camera.id), b"online" if now.online else b"offline")
        except BaseException:
            if changed_s is not None:
                self._changed[camera.id] = changed_s
            raise
        self._told[camera.id] = now
        if changed_s is not None:
            self._report(self.name, "delivered")

    def _state_of(self, camera: Camera) -> dict[str, object]:
        alarm = camera.alarm
        return state_body(camera) | self._links.to(alarm.id if alarm.state is AlarmState.ALARM else None)

    async def _picture(self, client: aiomqtt.Client, camera_id: str, picture: bytes) -> None:
        """Show a picture that the broker does not have yet, announced before the first one."""
        if self._shown.get(camera_id) is picture or camera_id not in self._told:
            return
        if camera_id not in self._shown:
            topic, config = self._topics.image_discovery(camera_id)
            await self._publish(client, topic, json.dumps(config).encode())
        await self._publish(client, self._topics.image(camera_id), picture)
        self._shown[camera_id] = picture

    async def _clear(self, client: aiomqtt.Client, known: set[str]) -> None:
        """Take back what the broker holds of cameras that are forgotten.

        Of one that was here before this start the announcement is kept for a day, as its camera is, so that it may come back.
        """
        now_s = time.monotonic()
        for camera_id in self._told.keys() - known:
            await self._forget(client, camera_id)
        while self._strangers:
            camera_id = self._strangers.pop()
            if camera_id not in known:
                await self._publish(client, self._topics.availability(camera_id), b"offline")
                await self._publish(client, self._topics.state(camera_id), b"")
                self._orphans.setdefault(camera_id, now_s)
        self._orphans = {camera_id: at_s for camera_id, at_s in self._orphans.items() if camera_id not in known}
        for camera_id in [camera_id for camera_id, at_s in self._orphans.items() if now_s - at_s > GONE_S]:
            await self._forget(client, camera_id)
        for camera_id in self._changed.keys() - known:
            del self._changed[camera_id]
            self._report(self.name, "delivered")

    async def _forget(self, client: aiomqtt.Client, camera_id: str) -> None:
        for topic in self._topics.all_of(camera_id):
            await self._publish(client, topic, b"")
        self._told.pop(camera_id, None)
        self._pictures.pop(camera_id, None)
        self._shown.pop(camera_id, None)
        self._orphans.pop(camera_id, None)

    async def _publish(self, client: aiomqtt.Client, topic: str, payload: bytes) -> None:
        """Ends the task too that was told to end as the broker answered: `asyncio.wait_for` of Python 3.11 loses that."""
        await client.publish(topic, payload, qos=1, retain=True)
        end_if_cancelled()

    def _drop(self, camera_id: str) -> None:
        del self._changed[camera_id]
        self._report(self.name, "dropped")
