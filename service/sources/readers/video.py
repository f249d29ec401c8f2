"""What FFmpeg decodes: RTSP streams, webcams, and video files."""

import os
import time
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote, urlsplit, urlunsplit

import av
import simplejpeg
from av.container import InputContainer

from service.sources.readers.pace import Pace, ReadingFailed
from service.sources.spec import CameraFrame, SourceSpec

DEVICE_FORMAT: Final = "v4l2"
KEYFRAMES_FROM_S: Final = 5.0
"""From this interval on nothing but key frames is decoded, unless told otherwise: cameras send one every second or two."""
_QUALITY: Final = 95
_RTSP_OPTIONS: Final = {"fflags": "nobuffer", "analyzeduration": "1000000", "fpsprobesize": "0"}


def read_rtsp(spec: SourceSpec) -> Iterator[CameraFrame | None]:
    """A frame at each interval. Raises ReadingFailed, and what PyAV raises."""
    with av.open(with_password(spec), "r", options={**_RTSP_OPTIONS, "rtsp_transport": spec.transport}) as container:
        yield from _live(container, spec)


def read_device(spec: SourceSpec) -> Iterator[CameraFrame | None]:
    """A frame of a webcam at each interval. Raises ReadingFailed, and what PyAV raises."""
    with av.open(spec.address, "r", format=DEVICE_FORMAT) as container:
        yield from _live(container, spec)


def read_video(spec: SourceSpec) -> Iterator[CameraFrame | None]:
    """A video file from its beginning, a frame for each interval of its own time, as fast as they are taken.

    It was taken when the file was last written to, less what it still had to show then. Raises ReadingFailed, and what PyAV raises.
    """
    with av.open(spec.address, "r") as container:
        length_s = (container.duration or 0) / av.time_base
        began_s = os.stat(spec.address).st_mtime - length_s  # noqa: PTH116 - the process knows no Path elsewhere
        due_s = spec.after_s - began_s + spec.interval_s if spec.after_s else 0.0
        for picture in container.decode(_video_of(container)):
            at_s = float(picture.time or 0.0)
            if at_s >= due_s and not picture.is_corrupt:
                due_s = at_s + spec.interval_s
                yield CameraFrame(began_s + at_s, _jpeg(picture))


def with_password(spec: SourceSpec) -> str:
    """The URL with name and password, the only way in which FFmpeg takes them."""
    if not spec.username:
        return spec.address
    parts = urlsplit(spec.address)
    user = f"{quote(spec.username, safe='')}:{quote(spec.password or '', safe='')}"
    return urlunsplit(parts._replace(netloc=f"{user}@{parts.netloc.rpartition('@')[2]}"))


def _video_of(container: InputContainer) -> Any:  # noqa: ANN401 - a class of PyAV's own
    if not container.streams.video:
        raise ReadingFailed("found no video in it, expected some")
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    return stream


def _live(container: InputContainer, spec: SourceSpec) -> Iterator[CameraFrame | None]:
    """What comes is decoded and left out until a frame is due. What cannot be decoded is left out too; the next one may."""
    stream, pace = _video_of(container), Pace(spec.interval_s)
    stream.thread_type = "SLICE"  # Threads by frame would hold frames back.
    wanted = spec.interval_s >= KEYFRAMES_FROM_S if spec.keyframes is None else spec.keyframes
    if wanted:
        stream.codec_context.skip_frame = "NONKEY"
    for packet in container.demux(stream):
        for picture in _decoded(packet):
            if pace.due and not picture.is_corrupt:
                pace.taken()
                yield CameraFrame(time.time(), _jpeg(picture))
    raise ReadingFailed("found the end of the stream, expected it to go on")


def _decoded(packet: Any) -> list[Any]:  # noqa: ANN401 - classes of PyAV's own
    try:
        return packet.decode() or []
    except av.error.InvalidDataError:
        return []


def _jpeg(picture: Any) -> bytes:  # noqa: ANN401 - a class of PyAV's own
    return bytes(simplejpeg.encode_jpeg(picture.to_ndarray(format="rgb24"), quality=_QUALITY, colorspace="RGB"))
