"""What `GET /events` tells: server-sent events taken apart, line by line."""

import json
from dataclasses import dataclass
from typing import Final

import httpx2
from pydantic import ValidationError

from service.api.schemas.cameras import CameraEventBody
from service.client.errors import ReplyUnreadable
from service.validation import in_words

STREAM_TIMEOUT: Final = httpx2.Timeout(5.0, read=60.0)
"""The service says something at least every 15 s."""


@dataclass(frozen=True, slots=True)
class CameraEvent:
    """A camera that was seen or changed; `camera` is None where it is no longer remembered."""

    camera_id: str
    camera: CameraEventBody | None


class EventLines:
    """Lines of a stream, of which some end an event."""

    def __init__(self) -> None:
        self._kind, self._data = "", ""

    def take(self, line: str) -> CameraEvent | None:
        """Take a line; gives the event that it ends, if that is one of a camera. Raises ReplyUnreadable."""
        name, _, value = line.partition(": ")
        if name == "event":
            self._kind = value
        elif name == "data":
            self._data = value
        elif not line:
            kind, data, self._kind, self._data = self._kind, self._data, "", ""
            return _event(kind, data)
        return None


def _event(kind: str, data: str) -> CameraEvent | None:
    try:
        if kind == "camera":
            camera = CameraEventBody.model_validate_json(data)
            return CameraEvent(camera.camera_id, camera)
        return CameraEvent(str(json.loads(data)["camera_id"]), None) if kind == "forgotten" else None
    except ValidationError as error:
        raise ReplyUnreadable(f"/events: {in_words(error, {})}; is it smoke-bvm, of this version?") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ReplyUnreadable(f"/events: found {data[:80]!r}, expected an event of smoke-bvm") from error
