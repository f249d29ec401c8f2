"""From a picture file to what the model is shown: decoded, fitted or cut into tiles, and looked at.

A function of its arguments alone, so that it can run in a process of its own (`service.pipeline.workers`).
"""

import time
from dataclasses import dataclass
from typing import NamedTuple

from models.close_ups import close_ups
from models.geometry import Region
from service.pipeline.decoding.decode import HoldPixels, Limits, decode_frame
from service.pipeline.encode import Size
from service.pipeline.image_stats import ImageStats, image_stats
from service.pipeline.options import SegmentOptions
from service.pipeline.tiling import ModelInputs, model_inputs


@dataclass(frozen=True, slots=True)
class Preparation:
    """What is wanted of a file.

    Attributes:
        limits: What its header may promise.
        options: Among them the tiles.
        size_px: Side of the model's square.
        watched: Whether the frame is a camera's, of which is kept what it looks like.
        windows: What to show of it from nearby instead of the whole.
    """

    limits: Limits
    options: SegmentOptions
    size_px: int
    watched: bool
    windows: tuple[Region, ...] = ()


class PreparedFrame(NamedTuple):
    """What the model is shown, the frame's size, its look if it is a camera's, whether its file was damaged, and seconds taken."""

    inputs: ModelInputs
    size: Size
    stats: ImageStats | None
    damaged: bool
    work_s: float = 0.0


def prepare(body: bytes, wanted: Preparation, hold_pixels: HoldPixels) -> PreparedFrame:
    """Prepare one file.

    Raises:
        RequestError: See `service.pipeline.decoding.decode.decode_frame`.
    """
    begun_s = time.perf_counter()
    frame = decode_frame(body, wanted.limits, hold_pixels)
    height, width = frame.pixels.shape[:2]
    if wanted.windows:
        inputs = close_ups(frame.pixels, wanted.windows, wanted.size_px)
    else:
        inputs = model_inputs(frame.pixels, wanted.options, wanted.size_px)
    stats = image_stats(inputs[0]) if wanted.watched else None
    return PreparedFrame(inputs, Size(width, height), stats, frame.damaged, time.perf_counter() - begun_s)
