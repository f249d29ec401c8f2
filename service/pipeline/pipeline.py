"""One frame's way: decode and fit, wait for the model, infer, find regions, encode; each step timed.

Decoding comes before the queue, so that a bad picture can only hurt its sender.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, NamedTuple, Self, TypeVar

from models.drift import Histogram
from models.geometry import Map, Region
from models.tile_layout import Tiles
from service.errors import ClientGone, InferenceFailed, RequestError
from service.pipeline.decoding.decode import HoldPixels, Limits, decode, no_hold
from service.pipeline.detections import FrameResult, detect_smoke
from service.pipeline.encode import Size
from service.pipeline.image_stats import ImageStats
from service.pipeline.options import SegmentOptions
from service.pipeline.prepare import Preparation, PreparedFrame
from service.pipeline.render import Rendering, render
from service.pipeline.threshold import Threshold, threshold_in_force
from service.pipeline.tiling import CloseUpCount, InferenceResults, Looks, ModelInputs, check_numbers, infer_each
from service.pipeline.workers import DecodeWorkers, Rank, RankedPool, WorkerOptions, WorkingSince
from service.runtime.model import ModelInfo
from service.runtime.slot import ModelSlot
from service.scheduling.batcher import Batcher, BatchingOptions, BatchResult, no_report
from service.scheduling.context import RequestContext
from service.scheduling.service_time import ServiceTimeEstimator

_T = TypeVar("_T")
_LOG = logging.getLogger("service.pipeline")
_SCATTER: Final = 2.0
"""A picture is decoded once more where there is so many times as long as that took: in less it is done by chance alone."""


@dataclass(frozen=True, slots=True)
class Stages:
    """How long each step took, in seconds; `decode` and `encode` include the wait for a free thread."""

    decode_s: float
    queue_s: float
    inference_s: float
    encode_s: float


@dataclass(frozen=True, slots=True)
class Segmentation:
    """The answer for one frame.

    Attributes:
        identity, threshold: The model that gave it, and the probability from which on a pixel was smoke.
        frame: Its size as a person sees it, after EXIF rotation.
        result, rendering, stages: What was found, what was asked for beside that, how long it took.
        image_stats: What it looks like, if it is a camera's.
        tiles: Those that were looked at beside the whole frame.
        map_px: Side of the square on which the regions were found.
        reference: What the model's release was measured on: frames that look different have drifted.
        damaged: Its file was: some pixels are not as they were sent.
        probability: The map (map_px, map_px) on which the smoke was found, if it is a camera's.
        close_ups: How many windows around small smoke were looked at, and how many were not; None where the release has no close-ups.
    """

    identity: ModelInfo
    threshold: Threshold
    frame: Size
    result: FrameResult
    rendering: Rendering
    stages: Stages
    image_stats: ImageStats | None
    tiles: Tiles | None
    map_px: int
    reference: Mapping[str, Histogram]
    damaged: bool = False
    probability: Map | None = None
    close_ups: CloseUpCount | None = None


class _FrameRequest(NamedTuple):
    """A file, what is wanted of it, whose frame it is and until when, and what holds its pixels."""

    body: bytes
    options: SegmentOptions
    context: RequestContext
    hold_pixels: HoldPixels

    @property
    def watched(self) -> bool:
        """Whether the frame is a camera's."""
        return self.context.camera is not None


class Pipeline:
    """Takes files to answers. Use as a context manager: its threads run within, and leaving it finishes what was accepted.

    Args:
        slot: The model in service.
        options: How many threads work, how many frames wait.
        limits: What a picture's header may promise.
        report: Told the size of each batch, and for each frame dropped before inference the reason.
        estimator: Told how long things take.
        decoder_ended: Told why a process that decodes was ended.
    """

    def __init__(
        self,
        slot: ModelSlot,
        options: WorkerOptions,
        limits: Limits,
        report: Callable[[int, Sequence[str]], None] = no_report,
        estimator: ServiceTimeEstimator | None = None,
        decoder_ended: Callable[[str], None] = lambda _: None,
    ) -> None:
        batching = BatchingOptions(slot.model.runners, slot.model.batch_max, options.queue_max, options.batch_wait_s)
        self._slot = slot
        self._batch_max = slot.model.batch_max
        self._batcher: Batcher[ModelInputs, InferenceResults] = Batcher(partial(infer_each, slot), batching, report)
        self._pool = ThreadPoolExecutor(options.workers, thread_name_prefix="worker")
        self._work = RankedPool(self._pool)
        self._decoders = DecodeWorkers(options.decode_max_s, decoder_ended)
        self._working = WorkingSince()
        self._limits = limits
        self._estimator = estimator or ServiceTimeEstimator()
        self._threads = ExitStack()

    def __enter__(self) -> Self:
        self._threads.enter_context(self._pool)
        # Left before the pool is, so that no thread of it waits for a decoder any longer.
        self._threads.enter_context(self._decoders)
        self._threads.enter_context(self._batcher)
        return self

    def __exit__(self, *raised: object) -> None:
        self._threads.close()

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

    @property
    def working_s(self) -> float:
        """For how long the oldest work of the threads that decode and encode has been under way."""
        return self._working.longest_s

    def replaced_cost(self, context: RequestContext) -> int:
        """Cost of the frame that waits and whose place this one would take; 0 where there is none."""
        return self._batcher.replaced_cost(context)

    async def segment(
        self,
        body: bytes,
        options: SegmentOptions,
        context: RequestContext | None = None,
        hold_pixels: HoldPixels = no_hold,
    ) -> Segmentation:
        """Answer one picture file. Cancel it to withdraw the frame.

        Args:
            body: The file.
            options: What is wanted of it.
            context: Whose frame it is, and until when it is wanted; by default nobody's, without a deadline.
            hold_pixels: See `HoldPixels`.

        Raises:
            RequestError: One of its classes per cause.
        """
        started_s = time.perf_counter()
        request = _FrameRequest(body, options, context or RequestContext(), hold_pixels)
        frame = await self._prepare(request)
        looks = await self._look(request, frame)
        return await self._finish(request, frame, looks, started_s)

    async def _prepare(self, request: _FrameRequest, windows: tuple[Region, ...] = ()) -> PreparedFrame:
        """Decode the frame and show the model the whole of it, or these windows alone."""
        watched, size_px = request.watched and not windows, self._slot.model.manifest.input.size_px
        wanted = Preparation(self._limits, request.options, size_px, watched, windows)
        rank = Rank.FINISH if windows else Rank.BEGIN
        frame = await self.offload(lambda: self._decoders.prepare(request.body, wanted, request.hold_pixels), rank)
        if not request.options.at_frame_size:
            request.hold_pixels(0)  # What waits for the model is small: a hundred large frames may.
        return frame

    async def _look(self, request: _FrameRequest, frame: PreparedFrame) -> Looks:
        """Look at the whole frame and its tiles, and then at small smoke from nearby."""
        own = replace(request.context, cost=len(frame.inputs))
        done = await asyncio.wrap_future(self._batcher.submit(frame.inputs, own))
        work_s = view_s = done.run_s / done.rounds
        windows = await self._windows(done.value, frame.size)
        looks = Looks(done.value, windows, done.queue_s, done.run_s)
        try:
            closer = await self._look_closer(request, windows, frame.work_s, view_s) if windows else None
            if closer and closer.value[0].model.identity == done.value[0].model.identity:
                looks = looks.with_close_ups(closer.value, closer.queue_s, closer.run_s)
                work_s += len(windows) * closer.run_s / closer.rounds
        finally:
            self._estimator.record_run(work_s, full=done.full)
        return looks

    async def _windows(self, results: InferenceResults, size: Size) -> tuple[Region, ...]:
        """Where to look closer; nowhere beside tiles."""
        probability, found = results[0].prediction.probability, results[0].model.manifest.close_ups
        if found is None or len(results) > 1 or probability.max() < found.seen:
            return ()
        return await self.offload(partial(found.windows, probability, size.width, size.height), Rank.FINISH)

    async def _look_closer(
        self, request: _FrameRequest, windows: tuple[Region, ...], prepare_s: float, view_s: float
    ) -> BatchResult[InferenceResults] | None:
        """The model's answers to close-ups of a frame, which is decoded again: full frames kept through the queue would cost more.

        None where they cannot be had, or not so soon that there is time to answer: the whole frame's maps stand, for no smoke may be
        lost of them. To prepare takes about `prepare_s`, and nothing ends a thread that does; a view takes about `view_s`.
        """
        until_s = request.context.deadline_s - self._estimator.worker_s
        begin_s = until_s - math.ceil(len(windows) / self._batch_max) * view_s
        own = replace(request.context, cost=len(windows), deadline_s=begin_s)
        if own.left_s <= _SCATTER * prepare_s:
            return None
        try:
            async with asyncio.timeout(None if math.isinf(until_s) else until_s - time.perf_counter()):
                near = await self._prepare(request, windows)
                closer = await asyncio.wrap_future(self._batcher.submit_next(near.inputs, own))
                await self.offload(partial(check_numbers, closer.value), Rank.FINISH)
                return closer
        except ClientGone:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the whole frame was answered
            if isinstance(error, InferenceFailed) or not isinstance(error, RequestError | TimeoutError):
                _LOG.exception("close-ups failed: the frame is answered without")
            return None

    async def _finish(
        self, request: _FrameRequest, frame: PreparedFrame, looks: Looks, started_s: float
    ) -> Segmentation:
        """The answer, out of what the model said of a frame that was begun at `started_s`."""
        inferred_s = time.perf_counter()
        options, model = request.options, looks.results[0].model
        threshold = threshold_in_force(model.manifest, options.threshold, options.false_alarm_rate)
        finish = partial(self._postprocess, request, frame.size, looks, threshold.value)
        result, rendering, probability = await self.offload(finish, Rank.FINISH)
        encode_s, decode_s = time.perf_counter() - inferred_s, inferred_s - started_s - looks.queue_s - looks.run_s
        return Segmentation(
            model.identity,
            threshold,
            frame.size,
            result,
            rendering,
            Stages(decode_s, looks.queue_s, looks.run_s, encode_s),
            image_stats=frame.stats,
            tiles=options.tiles if len(frame.inputs) > 1 else None,
            map_px=len(probability),
            reference=model.manifest.reference or {},
            damaged=frame.damaged,
            probability=probability if request.watched else None,
            close_ups=looks.close_ups if model.manifest.close_ups else None,
        )

    async def offload(self, work: Callable[[], _T], rank: Rank = Rank.BEGIN) -> _T:
        """Run something short but not instant off the event loop; of those that wait, what ends a frame first."""
        return await asyncio.wrap_future(
            self._work.submit(partial(self._estimator.timed, partial(self._working.do, work)), rank)
        )

    def _postprocess(
        self, request: _FrameRequest, size: Size, looks: Looks, threshold: float
    ) -> tuple[FrameResult, Rendering, Map]:
        """Decode again for what is drawn: full frames kept through the queue would cost more memory than that costs time."""
        answer = looks.merged
        prediction, manifest = answer.prediction, answer.model.manifest
        promised = (manifest.minimum_region, manifest.gate, manifest.novelty_limit)
        result = detect_smoke(prediction, size, threshold, *promised)
        frame = partial(decode, request.body, self._limits)
        rendering = render(prediction, result, manifest, request.options, threshold, size, frame)
        return result, rendering, prediction.probability
