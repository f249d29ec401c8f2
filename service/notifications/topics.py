"""The MQTT topics of a service and its cameras, and what Home Assistant is told of them."""

import re
import zlib
from dataclasses import dataclass
from typing import Final

from service.cameras.camera import CAMERA_ID, Camera
from service.timestamps import instant

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

    def all_of(self, camera_id: str) -> tuple[str, str, str]:
        """Every topic of a camera; its announcement comes first, so that nobody waits for what is cleared next."""
        return self.discovery(camera_id)[0], self.state(camera_id), self.availability(camera_id)

    def camera_of(self, topic: str) -> str | None:
        """The camera that a topic is of, if it is one of these."""
        head, _, kind = topic.removeprefix(f"{self.prefix}/camera/").rpartition("/")
        return head if kind in ("state", "availability") and _ID.fullmatch(head) else None

    def discovery(self, camera_id: str) -> tuple[str, dict[str, object]]:
        """Topic and body by which Home Assistant learns of a camera."""
        name = re.sub(r"[^A-Za-z0-9_-]", "_", camera_id)
        # An id with a dot, which Home Assistant does not take, must not become another camera's.
        unique = f"smoke_{name}" if name == camera_id else f"smoke_{name}_{zlib.crc32(camera_id.encode()):08x}"
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
            "device": {"identifiers": [unique], "name": f"Smoke {camera_id}", "manufacturer": "smoke-bvm"},
        }
        return f"homeassistant/binary_sensor/{unique}/config", config


def state_body(camera: Camera) -> dict[str, object]:
    """What is published of a camera; `since` is null until it was in another state than clear."""
    alarm = camera.alarm
    return {
        "state": alarm.state,
        "since": instant(alarm.since_s) if alarm.since_s else None,
        "score": round(alarm.score, 6),
        "frames": alarm.frames,
    }
