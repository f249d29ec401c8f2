"""A URL that answers with the present picture, asked at each interval."""

import time
from collections.abc import Iterator

import httpx2

from service.sources.readers.http import check_status, http_client
from service.sources.readers.pace import Pace, ReadingFailed
from service.sources.readers.pictures import check_picture
from service.sources.spec import CameraFrame, SourceSpec
from service.sources.wire import BODY_MAX_BYTES


def read_snapshots(spec: SourceSpec) -> Iterator[CameraFrame | None]:
    """A picture at each interval. Raises ReadingFailed, and what httpx raises."""
    pace = Pace(spec.interval_s)
    with http_client(spec) as client:
        while True:
            time.sleep(pace.left_s)
            with client.stream("GET", spec.address) as answer:
                check_status(answer)
                captured_s = time.time()
                body = check_picture(_body(answer), answer.headers.get("content-type", ""))
            pace.taken()
            yield CameraFrame(captured_s, body)


def _body(answer: httpx2.Response) -> bytes:
    body = bytearray()
    for chunk in answer.iter_bytes():
        body += chunk
        if len(body) > BODY_MAX_BYTES:
            raise ReadingFailed(f"found more than {BODY_MAX_BYTES} bytes, expected a picture of at most that")
    return bytes(body)
