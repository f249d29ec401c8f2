"""Frames to `POST /segment`, of a server or of the application in this process: one of a source at a time, and what comes back."""

from collections.abc import Callable
from typing import Any, Final

import httpx2

from service.runtime.backoff import Backoff
from service.sources.spec import CameraFrame, SourceSpec
from service.sources.watched import FrameOutcome
from service.timestamps import rfc3339

_BACKOFF: Final = Backoff(first_s=1.0, longest_s=30.0)
_LATER: Final = (429, 502, 503)
_PAUSE_S: Final = 5.0
"""Of who says «later» and not when."""
Reply = dict[str, Any]


class FramePoster:
    """Posts the frames of one source.

    Args:
        client: To the server; knows the key.
        spec: Whose frames they are.
        answered: Told of each reply with its frame.
    """

    def __init__(self, client: httpx2.AsyncClient, spec: SourceSpec, answered: Callable[[Reply], None]) -> None:
        self._client = client
        self._answered = answered
        self._query = {"camera_id": spec.camera_id, "outputs": ""} | ({"view": spec.view} if spec.view else {})
        self._failures = 0

    async def post(self, frame: CameraFrame) -> FrameOutcome:
        """What became of it; whoever says «later» is asked again then, and one that does not answer after growing pauses."""
        query = self._query | {"captured_at": rfc3339(frame.captured_s)}
        headers = {"Content-Type": "application/octet-stream"}
        try:
            answer = await self._client.post("/segment", params=query, content=frame.body, headers=headers)
        except httpx2.HTTPError as error:
            self._failures += 1
            words = " ".join(f"{type(error).__name__} {error}".split())
            return FrameOutcome(
                problem=f"found no answer of the server: {words}", pause_s=_BACKOFF.scattered(self._failures)
            )
        self._failures = 0
        if answer.status_code in _LATER:
            return FrameOutcome(problem=_problem(answer), pause_s=_seconds(answer.headers.get("retry-after", "")))
        if answer.status_code != httpx2.codes.OK:
            return FrameOutcome(problem=_problem(answer))
        return self._read(answer)

    def _read(self, answer: httpx2.Response) -> FrameOutcome:
        try:
            reply = answer.json()
            assessment, alarm = reply["assessment"], reply["alarm"]
            self._answered(reply)
            return FrameOutcome(f"{assessment}, {alarm['state']}" if alarm else f"{assessment}, not watched")
        except (ValueError, KeyError, TypeError):
            return FrameOutcome(problem="found no reply to POST /segment, expected that of a smoke-bvm server")


def _seconds(text: str) -> float:
    """Of `Retry-After`."""
    return float(max(1, int(text))) if text.isascii() and text.isdecimal() and len(text) < 6 else _PAUSE_S


def _problem(answer: httpx2.Response) -> str:
    """The status and, where the body says it, the cause."""
    try:
        detail = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = answer.reason_phrase
    return f"found status {answer.status_code}: {detail:.200}"
