"""An MJPEG stream over HTTP: FFmpeg takes the parts out of it, and each is a JPEG file as the camera made it."""

import time
from collections.abc import Iterator
from typing import Final

import av
import httpx2

from service.sources.readers.http import check_status, http_client
from service.sources.readers.pace import Pace, ReadingFailed
from service.sources.readers.pictures import check_picture
from service.sources.spec import CameraFrame, SourceSpec
from service.sources.wire import BODY_MAX_BYTES

_MULTIPART: Final = "multipart/"
_OPTIONS: Final = {"probesize": "32", "analyzeduration": "0", "fpsprobesize": "0", "fflags": "nobuffer"}
"""The first frame is not waited for any longer than it takes to come."""


def read_mjpeg(spec: SourceSpec) -> Iterator[CameraFrame | None]:
    """A frame at each interval; those between are left out. Raises ReadingFailed, and what httpx and PyAV raise."""
    pace = Pace(spec.interval_s)
    with http_client(spec) as client, client.stream("GET", spec.address) as answer:
        check_status(answer)
        kind = answer.headers.get("content-type", "no type")
        if not kind.lower().startswith(_MULTIPART):
            raise ReadingFailed(f"found {kind}, expected multipart/x-mixed-replace")
        body = _Body(answer)
        with av.open(body, "r", format="mpjpeg", options=_OPTIONS) as container:
            for packet in container.demux(video=0):
                body.left_bytes = BODY_MAX_BYTES
                if packet.size and pace.due:
                    pace.taken()
                    yield CameraFrame(time.time(), check_picture(bytes(packet), "the stream"))
    raise ReadingFailed("found the end of the stream, expected it to go on")


class _Body:
    """A reply as a file that can only be read on, by no more than `left_bytes`: FFmpeg would keep whatever comes before a part ends."""

    def __init__(self, answer: httpx2.Response) -> None:
        self.left_bytes = BODY_MAX_BYTES
        self._chunks = answer.iter_bytes()
        self._rest = b""

    def read(self, size: int) -> bytes:
        """Up to so many bytes as soon as there are some; none at the end. Raises ReadingFailed."""
        self._rest = self._rest or next(self._chunks, b"")
        taken, self._rest = self._rest[:size], self._rest[size:]
        self.left_bytes -= len(taken)
        if self.left_bytes < 0:
            raise ReadingFailed(f"found more than {BODY_MAX_BYTES} bytes without a picture's end, expected it before")
        return taken
