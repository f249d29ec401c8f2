"""The frames that `smoke-bvm replay` shows: recordings as they are, or each picture again and again by a shaking camera."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Never

import cv2
import numpy as np

from models.geometry import RGB
from service.cli.pictures import readable
from service.cli.recordings import Label, Recording
from service.files import read_file
from service.pipeline.decoding.decode import Limits, decode

_SEED: Final = 20261123


@dataclass(frozen=True, slots=True)
class ShownFrame:
    """A frame for the model: its camera's number and name, its file and name, how to get at its bytes, and what people saw."""

    camera: tuple[int, str]
    file: Path
    name: str
    read: Callable[[], bytes]
    label: Label | None


def recorded(recordings: Sequence[Recording], most_bytes: int) -> Iterator[ShownFrame]:
    """Every frame of each recording, a camera each; files of more bytes are not read."""
    for number, recording in enumerate(recordings):
        # A frame that the labels leave out was looked at by nobody.
        labels = recording.labels or {}
        for file in recording.frames:
            camera, read = (number, recording.name), partial(read_file, file, most_bytes)
            yield ShownFrame(camera, file, readable(file.name), read, labels.get(file.name))


def shaken(
    recordings: Sequence[Recording], most_bytes: int, times: int, shift_px: int, limits: Limits
) -> Iterator[ShownFrame]:
    """Every picture as a smoke-free camera of its own, shown so often as a shaking camera would send it."""
    files = [file for recording in recordings for file in recording.frames]
    smoke_free = Label(smoke=False, boxes=())
    for number, file in enumerate(files):
        camera = (number, readable(file.name))
        try:
            picture = decode(read_file(file, most_bytes), limits)
        except Exception as error:  # noqa: BLE001 - whatever a picture brings about, the others are shown
            yield ShownFrame(camera, file, "time 1", partial(_fail, error), smoke_free)
            continue
        for time, drawn in enumerate(jittered(picture, times, shift_px, _SEED + number), start=1):
            yield ShownFrame(camera, file, f"time {time}", drawn, smoke_free)


def _fail(error: Exception) -> Never:
    raise error


def jittered(picture: RGB, times: int, shift_px: int, seed: int) -> Iterator[Callable[[], bytes]]:
    """A picture as a shaking camera would send it: moved by up to `shift_px` pixels, up to 3 % brighter or darker, as JPEG files.

    Each is drawn when it is asked for; chance is spent in order before, so that all are the same every time.
    """
    random = np.random.default_rng(seed)
    for _ in range(times):
        right, down = random.integers(-shift_px, shift_px + 1, 2)
        brightness, quality = random.uniform(0.97, 1.03), int(random.integers(85, 96))
        yield partial(_shaken, picture, right, down, brightness, quality)


def _shaken(picture: RGB, right: int, down: int, brightness: float, quality: int) -> bytes:
    height, width = picture.shape[:2]
    move = np.array([[1, 0, right], [0, 1, down]], np.float64)
    moved = cv2.warpAffine(picture, move, (width, height), borderMode=cv2.BORDER_REPLICATE)
    shown = np.clip(moved * brightness, 0, 255).astype(np.uint8)
    _, data = cv2.imencode(".jpg", shown[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()
