"""Alarms as JSON lines: one whenever a camera's alarm or review begins or ends."""

import json
from collections.abc import Callable
from typing import Any, Final

_WORTH_IT: Final = ("alarm", "review")
_OF_FRAME: Final = ("captured_at", "assessment", "smoke", "regions", "uncertainty", "novelty")
_OF_ALARM: Final = ("since", "score", "frames", "restored")


class AlarmLines:
    """Turns replies into lines.

    Args:
        write: Takes a line.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._states: dict[str, str] = {}

    def answered(self, reply: dict[str, Any], view: str) -> None:
        """A frame was answered; `view` is what its camera was turned to.

        A camera that is in alarm at its first frame, which one can be that was remembered, has `before` null.
        """
        alarm = reply["alarm"]
        if alarm is None:
            return
        before, after = self._states.get(reply["camera_id"]), alarm["state"]
        self._states[reply["camera_id"]] = after
        if before != after and (before in _WORTH_IT or after in _WORTH_IT):
            about = {"camera_id": reply["camera_id"], "view": view or None, "before": before, "after": after}
            of_alarm = {name: alarm.get(name) for name in _OF_ALARM}
            self._write(json.dumps(about | of_alarm | {name: reply.get(name) for name in _OF_FRAME}))
