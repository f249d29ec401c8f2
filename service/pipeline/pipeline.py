"""One frame's way: decode and fit, wait for the model, infer, sum up, encode; each step timed.

Decoding comes before the queue, so that a bad picture can only hurt its sender.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from models.maps import SegmentationMaps
from models.tiles import Tiles, canvas_px
from service.pipeline.decode import Limits, decode, no_hold
from service.pipeline.detections import Standard, Summary, summarise
from service.pipeline.encode import MASK, EncodedMap, Picture, Size, encode_maps, mask_at, overlay
from service.pipeline.image_stats import Look, look_at
from service.pipeline.options import OVERLAY, Order
from service.pipeline.tiling import Answers, Views, answer_each, at_model_size, show, unite
from service.pipeline.workers import Threads
from service.runtime.model import ModelInfo
from service.runtime.slot import InferenceResult, ModelSlot
from service.scheduling.batcher import Batcher, Sizes, ignore
from service.scheduling.context import Ticket
from service.scheduling.service_time import Pace

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stages:
    """How long each step took, in seconds; `decode` and `encode` include the wait for a free thread."""

    decode_s: float
    queue_s: float
    inference_s: float
    encode_s: float


@dataclass(frozen=True, slots=True)
class Segmentation:
    """The answer for one frame; `identity` is the model that gave it, `frame` the size a person sees, after EXIF rotation.

    `look` is what a camera's frame looks like; None for a frame of no camera. `tiles` are those that were looked at beside the
    whole frame, `map_px` is the side of the square on which the regions were found.
    """

    identity: ModelInfo
    frame: Size
    summary: Summary
    maps: dict[str, EncodedMap]
    picture: Picture | None
    stages: Stages
    look: Look | None
    tiles: Tiles | None
    map_px: int


class Pipeline:
    """Takes files to answers. Use `open_pipeline`, which owns the threads."""

    def __init__(
        self, slot: ModelSlot, batcher: Batcher[Views, Answers], pool: Executor, limits: Limits, pace: Pace
    ) -> None:
        self._slot = slot
        self._batcher = batcher
        self._pool = pool
        self._limits = limits
        self._pace = pace

    @property
    def queue_depth(self) -> int:
        """How many frames wait for the model."""
        return self._batcher.depth

    @property
    def alive(self) -> bool:
        """Whether every runner lives."""
        return self._batcher.alive

    @property
    def busy_s(self) -> float:
        """For how long the batch that runs longest has been running."""
        return self._batcher.busy_s

    async def segment(
        self,
        body: bytes,
        order: Order,
        ticket: Ticket | None = None,
        hold_pixels: Callable[[int], None] = no_hold,
    ) -> Segmentation:
        """Answer one picture file. Cancel it to withdraw the frame.

        Args:
            body: The file.
            order: What is wanted of it.
            ticket: Its place in the queue; by default that of a frame of no camera, without a deadline.
            hold_pixels: See `service.pipeline.decode.decode`.

        Raises:
            RequestError: One of its classes per cause.
        """
        started_s = time.perf_counter()
        watched = ticket is not None and ticket.camera is not None
        shown, size, look = await self.offload(lambda: self._prepare(body, order, hold_pixels, watched=watched))
        if not order.at_frame_size:
            hold_pixels(0)  # What waits for the model is small: a hundred large frames may.
        decoded_s = time.perf_counter()
        done = await asyncio.wrap_future(self._batcher.submit(shown, replace(ticket or Ticket(), frames=len(shown))))
        inferred_s = time.perf_counter()
        self._pace.ran(done.run_s / done.rounds)
        summary, maps, picture = await self.offload(lambda: self._answer(body, size, unite(done.value), order))
        encode_s = time.perf_counter() - inferred_s
        stages = Stages(decoded_s - started_s, done.queue_s, done.run_s, encode_s)
        identity, side = done.value[0].model.identity, shown[0].shape[0]
        tiles, map_px = (order.tiles, canvas_px(side)) if len(shown) > 1 else (None, side)
        return Segmentation(identity, size, summary, maps, picture, stages, look, tiles, map_px)

    async def offload(self, work: Callable[[], T]) -> T:
        """Run something short but not instant off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._pace.timed, work)

    def _prepare(
        self, body: bytes, order: Order, hold_pixels: Callable[[int], None], *, watched: bool
    ) -> tuple[Views, Size, Look | None]:
        frame = decode(body, self._limits, hold_pixels)
        height, width = frame.shape[:2]
        shown = show(frame, order, self._slot.model.manifest.input.size_px)
        return shown, Size(width, height), look_at(shown[0]) if watched else None

    def _answer(
        self, body: bytes, size: Size, answer: InferenceResult, order: Order
    ) -> tuple[Summary, dict[str, EncodedMap], Picture | None]:
        prediction, manifest = answer.prediction, answer.model.manifest
        threshold = manifest.threshold if order.threshold is None else order.threshold
        summary = summarise(prediction, Standard(threshold, manifest.minimum_region, manifest.gate), size)
        names = [name for name in order.outputs if name != OVERLAY]
        scales = {MASK.name: MASK, **{output.name: output for output in manifest.outputs}}
        if order.resolution == "frame":
            maps = encode_maps(prediction, names, scales, threshold, size)
        else:
            square = at_model_size(prediction, manifest.input.size_px)
            maps = encode_maps(square, names, scales, threshold, None, order.encoding)
        picture = self._draw(body, size, prediction, threshold) if OVERLAY in order.outputs else None
        return summary, maps, picture

    def _draw(self, body: bytes, size: Size, prediction: SegmentationMaps, threshold: float) -> Picture:
        """Decode again: full frames kept through the queue would cost more memory than the rare overlay costs time."""
        return overlay(decode(body, self._limits), mask_at(prediction, threshold, size))


@contextmanager
def open_pipeline(
    slot: ModelSlot,
    threads: Threads,
    limits: Limits,
    report: Callable[[int, Sequence[str]], None] = ignore,
    pace: Pace | None = None,
) -> Iterator[Pipeline]:
    """A pipeline and its threads; leaving the context finishes what was accepted.

    Args:
        slot: The model in service.
        threads: How many work, how many frames wait.
        limits: What a picture's header may promise.
        report: Told the size of each batch, and for each frame dropped before inference the reason.
        pace: Told how long things take.
    """
    sizes = Sizes(slot.model.runners, slot.model.batch_max, threads.queue_max, threads.batch_wait_s)
    with (
        ThreadPoolExecutor(threads.workers, thread_name_prefix="worker") as pool,
        Batcher(partial(answer_each, slot), sizes, report) as batcher,
    ):
        yield Pipeline(slot, batcher, pool, limits, pace or Pace())
