"""What is kept of a frame, as files: the photograph, the smoke's outline on it, what was said of it; and a small picture to send."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import cv2

from models.geometry import RGB, unfit
from service.alarms.record import KeptFile
from service.cameras.clock import Stamp
from service.pipeline.decoding.decode import Limits, decode
from service.pipeline.encode import outlined, picture_file
from service.pipeline.pipeline import Segmentation

_JPEG_START: Final = b"\xff\xd8\xff"
SMALL_SIDE_PX: Final = 1280
SMALL_BYTES_MAX: Final = 2**17
"""Most bytes of a picture that is sent to a broker: 128 KiB."""
_SMALLER: Final = 0.7


@dataclass(frozen=True, slots=True, eq=False)
class AlarmFrame:
    """A frame as it was answered.

    Attributes:
        body: Its file.
        segmentation: What was found on it.
        stamp: When it was taken and came.
        view: The view that it shows.
        counted: Whether it counted for the alarm.
        reply: What the service said of it, as JSON; may take a while.
    """

    body: bytes
    segmentation: Segmentation
    request_id: str
    stamp: Stamp
    view: str
    counted: bool
    reply: Callable[[], bytes]

    @property
    def size_bytes(self) -> int:
        """What it holds in memory, about."""
        probability = self.segmentation.probability
        return len(self.body) + (0 if probability is None else probability.nbytes)


@dataclass(frozen=True, slots=True)
class AlarmPictures:
    """The files to keep, and a small JPEG of the overlay."""

    files: dict[KeptFile, bytes]
    small: bytes


def alarm_pictures(frame: AlarmFrame, limits: Limits) -> AlarmPictures:
    """Decode a frame once more and draw it. A JPEG is kept as it came, what else there is becomes one.

    Raises:
        RequestError: It cannot be decoded any more.
    """
    found, pixels = frame.segmentation, decode(frame.body, limits)
    height, width = pixels.shape[:2]
    drawn = pixels
    if found.probability is not None:
        drawn = outlined(pixels, unfit(found.probability, width, height) >= found.threshold.value)
    photograph = frame.body if frame.body.startswith(_JPEG_START) else picture_file(pixels)
    files: dict[KeptFile, bytes] = {
        "frame.jpg": photograph,
        "overlay.jpg": picture_file(drawn),
        "reply.json": frame.reply(),
    }
    return AlarmPictures(files, small_jpeg(drawn))


def small_jpeg(pixels: RGB) -> bytes:
    """A picture (height, width, 3) uint8 as a JPEG of at most SMALL_SIDE_PX and SMALL_BYTES_MAX."""
    share = min(1.0, SMALL_SIDE_PX / max(pixels.shape[:2]))
    while True:
        height, width = (max(1, round(share * side)) for side in pixels.shape[:2])
        small = picture_file(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA))
        if len(small) <= SMALL_BYTES_MAX:
            return small
        share *= _SMALLER
