"""The MQTT topics of a service and its cameras, and what Home Assistant is told of them."""

import re
import zlib
from dataclasses import dataclass
from typing import Final

from service.cameras.alarm import Acknowledgement
from service.cameras.camera import Camera
from service.timestamps import instant
from service.validation import CAMERA_ID

EXPIRE_S: Final = 300
"""Home Assistant disbelieves a state that was not published again for so long."""
_ID: Final = re.compile(CAMERA_ID)
_ALARMED: Final = "{{ 'ON' if value_json is defined and value_json.state == 'alarm' else 'OFF' }}"


@dataclass(frozen=True, slots=True)
class Topics:
    """Topics below a prefix."""

    prefix: str

    @property
    def status(self) -> str:
        """Whether the service is there."""
        return f"{self.prefix}/status"

    @property
    def of_all_cameras(self) -> str:
        """What to subscribe to for the topics of every camera."""
        return f"{self.prefix}/camera/+/+"

    def state(self, camera_id: str) -> str:
        """Where a camera's alarm is told."""
        return f"{self.prefix}/camera/{camera_id}/state"

    def availability(self, camera_id: str) -> str:
        """Where it is told whether a camera sends frames."""
        return f"{self.prefix}/camera/{camera_id}/availability"

    def image(self, camera_id: str) -> str:
        """Where the picture of a camera's latest alarm is shown: a level below what `of_all_cameras` brings back to us."""
        return f"{self.prefix}/camera/{camera_id}/alarm/image"

    def all_of(self, camera_id: str) -> tuple[str, ...]:
        """Every topic of a camera; its announcements come first, so that nobody waits for what is cleared next."""
        announced = (self.discovery(camera_id)[0], self.image_discovery(camera_id)[0])
        return *announced, self.state(camera_id), self.availability(camera_id), self.image(camera_id)

    def camera_of(self, topic: str) -> str | None:
        """The camera that a topic is of, if it is one of these."""
        head, _, kind = topic.removeprefix(f"{self.prefix}/camera/").rpartition("/")
        return head if kind in ("state", "availability") and _ID.fullmatch(head) else None

    def discovery(self, camera_id: str) -> tuple[str, dict[str, object]]:
        """Topic and body by which Home Assistant learns of a camera."""
        unique = _unique(camera_id)
        config: dict[str, object] = {
            "name": None,
            "unique_id": unique,
            "device_class": "smoke",
            "state_topic": self.state(camera_id),
            "value_template": _ALARMED,
            "json_attributes_topic": self.state(camera_id),
            "availability": [{"topic": self.status}, {"topic": self.availability(camera_id)}],
            "availability_mode": "all",
            "expire_after": EXPIRE_S,
            "device": _device(camera_id),
        }
        return f"homeassistant/binary_sensor/{unique}/config", config

    def image_discovery(self, camera_id: str) -> tuple[str, dict[str, object]]:
        """Topic and body by which Home Assistant learns of the picture of a camera's latest alarm."""
        unique = f"{_unique(camera_id)}_image"
        config: dict[str, object] = {
            "name": "Alarm",
            "unique_id": unique,
            "image_topic": self.image(camera_id),
            "content_type": "image/jpeg",
            "availability": [{"topic": self.status}],
            "device": _device(camera_id),
        }
        return f"homeassistant/image/{unique}/config", config


def _unique(camera_id: str) -> str:
    """A name for Home Assistant, which takes no dot: an id with one must not become another camera's."""
    name = re.sub(r"[^A-Za-z0-9_-]", "_", camera_id)
    return f"smoke_{name}" if name == camera_id else f"smoke_{name}_{zlib.crc32(camera_id.encode()):08x}"


def _device(camera_id: str) -> dict[str, object]:
    return {"identifiers": [_unique(camera_id)], "name": f"Smoke {camera_id}", "manufacturer": "smoke-bvm"}


def state_body(camera: Camera) -> dict[str, object]:
    """What is published of a camera, beside links; `since` is null until it was in another state than clear."""
    alarm = camera.alarm
    return {
        "state": alarm.state,
        "since": instant(alarm.since_s),
        "score": round(alarm.score, 6),
        "frames": alarm.frames,
        **acknowledgement_body(alarm.acknowledged),
    }


def acknowledgement_body(acknowledged: Acknowledgement | None) -> dict[str, object]:
    """What a message says of who has taken an alarm on; nothing where nobody has."""
    return {"acknowledged": {"by": acknowledged.by, "at": instant(acknowledged.at_s)}} if acknowledged else {}
