"""All that a reply says of a frame, and its body in each type of reply."""

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import orjson

from service.alarms.pictures import AlarmFrame
from service.api.accept import JSON, MIXED, NPZ, PNG
from service.api.query import SegmentQuery
from service.api.schemas.result import LatencyBody
from service.api.schemas.segment import SegmentResponse
from service.cameras.camera import AlarmStatus
from service.cameras.clock import Stamp
from service.pipeline.pipeline import Segmentation
from service.pipeline.render import Rendering

_NOTHING: Final = Rendering({}, None, None, None)
_FILE_TYPES: Final = {"png": PNG, "npz": NPZ, "jpeg": "image/jpeg"}


@dataclass(frozen=True, slots=True)
class Answer:
    """All that a reply says."""

    segmentation: Segmentation
    latency: LatencyBody
    request_id: str
    query: SegmentQuery
    alarm: AlarmStatus | None

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
        """What a reply without JSON would leave unsaid: in a word, and whether the camera is in alarm."""
        alarm = {"X-Smoke-Alarm": self.alarm.state.value} if self.alarm else {}
        return {"X-Smoke-Assessment": self.segmentation.result.assessment.value, **alarm}

    def json(self) -> bytes:
        """The findings, with files in base64."""
        return orjson.dumps(self._told(self.segmentation).model_dump(mode="json"))

    def alarm_frame(self, body: bytes, stamp: Stamp) -> AlarmFrame:
        """The frame as it is kept, if there is an alarm, with the reply without maps."""
        bare = replace(self, segmentation=replace(self.segmentation, rendering=_NOTHING))
        counted = self.alarm is not None and self.alarm.arrival.counts
        return AlarmFrame(body, bare.segmentation, self.request_id, stamp, counted, bare.json)

    def _told(self, segmentation: Segmentation) -> SegmentResponse:
        return SegmentResponse.of(segmentation, self.latency, self.request_id, self.query, self.alarm)

    def _mixed(self) -> tuple[bytes, str]:
        """The findings without files' data, then each file as it is, in parts of their names."""
        made = self.segmentation.rendering
        files: list[tuple[str, str, bytes]] = [
            (name, encoded.encoding, encoded.data) for name, encoded in made.maps.items()
        ]
        files += [("overlay", made.picture.encoding, made.picture.data)] if made.picture else []
        told = self._told(replace(self.segmentation, rendering=_without_data(made))).model_dump(mode="json")
        for described in (*told["maps"].values(), *([told["overlay"]] if made.picture else [])):
            del described["data"]
        parts = [_part(JSON, 'inline; name="result"', orjson.dumps(told))]
        for name, encoding, data in files:
            parts.append(_part(_FILE_TYPES[encoding], f'attachment; name="{name}"; filename="{name}.{encoding}"', data))
        boundary = f"smoke-{self.request_id}"
        framed = [piece for part in parts for piece in (b"--", boundary.encode(), b"\r\n", *part, b"\r\n")]
        return b"".join([*framed, b"--", boundary.encode(), b"--\r\n"]), f'{MIXED}; boundary="{boundary}"'


def _part(content_type: str, disposition: str, data: bytes) -> tuple[bytes, bytes]:
    return f"Content-Type: {content_type}\r\nContent-Disposition: {disposition}\r\n\r\n".encode(), data


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
