"""What people said of alarms, one JSON object a line, appended; `evaluate` can read it."""

import json
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from service.api.schemas.cameras import CameraBody, Feedback
from service.runtime.model import Identity
from service.timestamps import instant

_WRITING: Final = threading.Lock()


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: what was said, when, of which camera in which state, and which model had answered."""

    line: dict[str, Any]

    def append(self, file: Path) -> None:
        """Append it; one write a line, so that no line is torn. Raises OSError."""
        data = json.dumps(self.line, ensure_ascii=True) + "\n"
        with _WRITING, file.open("a", encoding="ascii") as stream:
            stream.write(data)


def record(said: Feedback, camera: CameraBody, identity: Identity, now_s: float) -> Entry:
    """The line of a piece of feedback."""
    return Entry(
        {
            "at": instant(now_s),
            "camera_id": camera.camera_id,
            **said.model_dump(),
            "alarm": camera.alarm.model_dump(mode="json"),
            "assessment": camera.assessment,
            "regions": [region.model_dump() for region in camera.regions],
            "model": asdict(identity),
        }
    )
