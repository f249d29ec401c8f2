"""One call as it goes over the line, and what its answer is taken for; shared by the client that waits and the one that awaits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeAlias, TypedDict, TypeVar, Unpack
from urllib.parse import quote

import cv2
import httpx2
import numpy as np
from pydantic import BaseModel, ValidationError

from models.geometry import RGB
from models.tile_layout import Tiles
from service.api.query import DEADLINE_MAX_MS, SegmentQuery
from service.client.errors import CallRefused, Refused, ReplyUnreadable, ServiceUnreachable, refusal_class
from service.pipeline.options import MapEncoding, PictureEncoding, Resolution
from service.validation import in_words

Frame: TypeAlias = str | Path | bytes | RGB
"""A JPEG, PNG or WebP file by its path or as its bytes, or an array (height, width, 3) of uint8, red first."""
_Body = TypeVar("_Body", bound=BaseModel)
_LEFT_FOR_THE_ANSWER_S: Final = 0.05
_QUERY: Final = {"": f"some of {', '.join(SegmentQuery.model_fields)}"}
TIMEOUT: Final = httpx2.Timeout(75.0, connect=5.0)
"""Of calls without a deadline: a little more than the service itself waits."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request.

    Attributes:
        repeatable: Whether it may be sent again though it may have been taken: a frame that an alarm counts twice is none of these.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    json: Any = None
    repeatable: bool = True

    def arguments(self, left_s: float | None) -> dict[str, Any]:
        """What httpx2 takes, with the time that is left."""
        given: dict[str, Any] = {"method": self.method, "url": self.path, "params": self.query, "headers": {}}
        if self.content is not None:
            given |= {"content": self.content, "headers": {"Content-Type": "application/octet-stream"}}
            if left_s is not None:
                given["headers"]["X-Deadline-Ms"] = str(max(1, int(min(1000 * left_s, DEADLINE_MAX_MS))))
        if self.json is not None:
            given["json"] = self.json
        return given if left_s is None else {**given, "timeout": left_s + _LEFT_FOR_THE_ANSWER_S}

    def may_repeat(self, error: httpx2.TransportError) -> bool:
        """Whether it is sent again after this: surely if it was not taken."""
        return self.repeatable or isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)


class SegmentParameters(TypedDict, total=False):
    """The query of `POST /segment`; for what is left out, or None, the service's defaults hold.

    `captured_at`: when the frame was taken, with its time zone. `outputs`: names; none for the numbers alone.
    """

    camera_id: str | None
    view: str | None
    captured_at: datetime | str | None
    outputs: Sequence[str] | None
    resolution: Resolution | None
    encoding: MapEncoding | None
    overlay_encoding: PictureEncoding | None
    threshold: float | None
    tiles: Tiles | None
    latest: bool | None


def segment_call(frame: Frame, **options: Unpack[SegmentParameters]) -> Call:
    """The call for a frame, checked as the service would.

    Raises:
        CallRefused: An argument is impossible; said without asking the service.
        OSError: The file cannot be read.
    """
    chosen: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    if "outputs" in chosen:
        chosen["outputs"] = [",".join(chosen["outputs"])]
    if isinstance(captured_at := chosen.get("captured_at"), datetime):
        chosen["captured_at"] = captured_at.isoformat()
    try:
        query = SegmentQuery.model_validate(chosen)
    except ValidationError as error:
        raise CallRefused(422, "parameter_invalid", in_words(error, _QUERY)) from None
    counted_twice = query.camera_id is not None and query.captured_at is None
    return Call("POST", "/segment", _text(chosen), frame_file(frame), repeatable=not counted_twice)


def acknowledge_call(camera_id: str, by: str | None) -> Call:
    """The call that takes a camera's alarm on; the first to do so stays, so it may be made again."""
    named = {} if by is None else {"by": by}
    return Call("POST", f"/cameras/{quote(camera_id, safe='')}/acknowledge", named)


def feedback_call(camera_id: str, verdict: str, note: str, alarm_id: str | None) -> Call:
    """The call that says what an alarm was."""
    said = {"verdict": verdict, "note": note} | ({} if alarm_id is None else {"alarm_id": alarm_id})
    return Call("POST", f"/cameras/{quote(camera_id, safe='')}/feedback", json=said, repeatable=False)


def key_headers(api_key: str | None) -> dict[str, str]:
    """What shows a key."""
    return {} if api_key is None else {"Authorization": f"Bearer {api_key}"}


def camera_call(camera_id: str) -> Call:
    """The call for what is known of a camera."""
    return Call("GET", f"/cameras/{quote(camera_id, safe='')}")


def frame_file(frame: Frame) -> bytes:
    """The file that is sent: as it is, or an array as a PNG, without loss."""
    if isinstance(frame, bytes):
        return frame
    if isinstance(frame, str | Path):
        return Path(frame).read_bytes()
    if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        found = f"{frame.dtype} of {frame.shape}" if isinstance(frame, np.ndarray) else type(frame).__name__
        raise TypeError(
            f"found {found}, expected a path, the bytes of a picture file, or uint8 of (height, width, 3), red first"
        )
    _, data = cv2.imencode(".png", frame[..., ::-1])
    return data.tobytes()


def body_of(response: httpx2.Response, kind: type[_Body]) -> _Body:
    """What a successful answer says. Raises ReplyUnreadable."""
    try:
        return kind.model_validate_json(response.content)
    except ValidationError as error:
        raise ReplyUnreadable(f"{response.url}: {in_words(error, {})}; is it smoke-bvm, of this version?") from error


def refusal_of(response: httpx2.Response) -> Refused:
    """What an answer that is no success says, in the words of its problem body."""
    try:
        problem = response.json()
        reason, detail = str(problem["type"]).rpartition(":")[2], str(problem["detail"])
    except (ValueError, KeyError, TypeError):
        problem, reason = {}, response.reason_phrase.lower().replace(" ", "_")
        detail = f"found {response.headers.get('content-type', 'no body')} from {response.url}, expected a problem body"
    told = response.headers.get("retry-after", "")
    after_s = float(told) if told.isdecimal() else None
    return refusal_class(response.status_code)(
        response.status_code, reason, detail, str(problem.get("request_id", "")), after_s
    )


def unreachable(error: httpx2.TransportError, url: httpx2.URL) -> ServiceUnreachable:
    """A connection that did not come about or broke, in words."""
    return ServiceUnreachable(f"{url}: {type(error).__name__} {error}".strip() + "; is the service running there?")


def _text(chosen: Mapping[str, Any]) -> dict[str, str]:
    words = {True: "true", False: "false"}
    return {
        name: words[value] if isinstance(value, bool) else ",".join(value) if isinstance(value, list) else str(value)
        for name, value in chosen.items()
    }
