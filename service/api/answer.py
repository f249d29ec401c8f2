"""All that a reply says of a frame, and its body in each type of reply."""

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson
import pybase64

from service.alarms.pictures import AlarmFrame
from service.api.accept import JSON, MIXED, NPZ, PNG
from service.api.query import SegmentQuery
from service.api.schemas.result import LatencyBody
from service.api.schemas.segment import SegmentResponse
from service.cameras.alarm_status import AlarmStatus
from service.cameras.clock import Stamp
from service.pipeline.pipeline import Segmentation
from service.pipeline.render import Rendering

_NOTHING: Final = Rendering({}, None, None, None)
_FILE_TYPES: Final = {"png": PNG, "npz": NPZ, "jpeg": "image/jpeg"}
_PLACE: Final = "\N{OBJECT REPLACEMENT CHARACTER}"
"""Stands for a file while the rest becomes JSON: no other string of a reply is this character alone."""
_STEP_BYTES: Final = 3 * 2**16
"""As many are base64 at a time: the C library keeps such a piece, and takes new pages for each that is much larger."""


@dataclass(frozen=True, slots=True)
class Answer:
    """All that a reply says."""

    segmentation: Segmentation
    latency: LatencyBody
    request_id: str
    query: SegmentQuery
    alarm: AlarmStatus | None

    @property
    def small(self) -> bool:
        """Whether its body is made at once: JSON around files of a few kilobytes, as maps at the model's size are."""
        made = self.segmentation.rendering
        files_bytes = sum(len(encoded.data) for encoded in made.maps.values())
        rest = (made.picture, made.polygons, made.rle)
        return files_bytes <= _STEP_BYTES and all(part is None for part in rest)

    def content(self, reply_type: str) -> tuple[bytes, str]:
        """The body and its Content-Type; takes its time."""
        maps = self.segmentation.rendering.maps
        if reply_type == PNG:
            (only,) = maps.values()
            return only.data, PNG
        if reply_type == NPZ:
            return _one_file([encoded.data for encoded in maps.values()]), NPZ
        return self._mixed() if reply_type == MIXED else (self.json(), JSON)

    def headers(self) -> Mapping[str, str]:
        """What a reply without JSON would leave unsaid, as headers: the assessment in a word, and the state of the camera's alarm."""
        alarm = {"X-Smoke-Alarm": self.alarm.state.value} if self.alarm else {}
        return {"X-Smoke-Assessment": self.segmentation.result.assessment.value, **alarm}

    def json(self) -> bytes:
        """The findings, with files in base64. Those go to their places once all else is JSON, and are copied once."""
        told, files = self._described()
        for _, described, _ in files:
            described["data"] = _PLACE
        first, *others = orjson.dumps(told).split(orjson.dumps(_PLACE))
        pieces = [first]
        for (_, _, data), after in zip(files, others, strict=True):
            pieces += [b'"', *_base64(data), b'"', after]
        return b"".join(pieces)

    def alarm_frame(self, body: bytes, stamp: Stamp, alarm: AlarmStatus) -> AlarmFrame:
        """The frame as it is kept, if there is an alarm, with the reply without maps."""
        bare = replace(self, segmentation=replace(self.segmentation, rendering=_NOTHING))
        counted = alarm.arrival.counts
        return AlarmFrame(body, bare.segmentation, self.request_id, stamp, alarm.view, counted, bare.json)

    def _described(self) -> tuple[dict[str, Any], list[tuple[str, dict[str, Any], bytes]]]:
        """The findings, and of each file its name, what they say of it, and its data, which they leave empty."""
        made = self.segmentation.rendering
        bare = replace(self.segmentation, rendering=_without_data(made))
        told = SegmentResponse.of(bare, self.latency, self.request_id, self.query, self.alarm).model_dump(mode="json")
        files = [(name, told["maps"][name], encoded.data) for name, encoded in made.maps.items()]
        return told, files + ([("overlay", told["overlay"], made.picture.data)] if made.picture else [])

    def _mixed(self) -> tuple[bytes, str]:
        """The findings without files' data, then each file as it is, in parts of their names."""
        told, files = self._described()
        for _, described, _ in files:
            del described["data"]
        parts = [_part(JSON, 'inline; name="result"', orjson.dumps(told))]
        for name, described, data in files:
            encoding = described["encoding"]
            parts.append(_part(_FILE_TYPES[encoding], f'attachment; name="{name}"; filename="{name}.{encoding}"', data))
        boundary = f"smoke-{self.request_id}"
        framed = [piece for part in parts for piece in (b"--", boundary.encode(), b"\r\n", *part, b"\r\n")]
        return b"".join([*framed, b"--", boundary.encode(), b"--\r\n"]), f'{MIXED}; boundary="{boundary}"'


def _part(content_type: str, disposition: str, data: bytes) -> tuple[bytes, bytes]:
    return f"Content-Type: {content_type}\r\nContent-Disposition: {disposition}\r\n\r\n".encode(), data


def _base64(data: bytes) -> list[bytes]:
    whole = memoryview(data)
    return [pybase64.b64encode(whole[start : start + _STEP_BYTES]) for start in range(0, len(data), _STEP_BYTES)]


def _without_data(made: Rendering) -> Rendering:
    maps = {name: replace(encoded, data=b"") for name, encoded in made.maps.items()}
    return replace(made, maps=maps, picture=replace(made.picture, data=b"") if made.picture else None)


def _one_file(files: list[bytes]) -> bytes:
    """The arrays of several .npz files in one."""
    if len(files) == 1:
        return files[0]
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as together:
        for file in files:
            with zipfile.ZipFile(io.BytesIO(file)) as one:
                for name in one.namelist():
                    together.writestr(name, one.read(name))
    return stream.getvalue()
