"""`smoke-bvm replay`: recordings through the released model and the alarm, and the table of what came of it."""

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.console import Console

from service.api.schemas.model import OperatingPointBody
from service.cameras.evidence import AlarmPolicy, RelativeBox
from service.cameras.observation import region_observations
from service.cameras.replay import ReplayFrame, compare
from service.cameras.rules import Rule
from service.cli.overlap import frames_at_once, in_order, side_by_side
from service.cli.pictures import readable
from service.cli.progress import frame_progress
from service.cli.recordings import Label, Recording, read_recording
from service.cli.replay_frames import ShownFrame, recorded, shaken
from service.cli.replay_table import frames_with_smoke, replay_table
from service.cli.timeline import AlarmEntry, WatchedCamera, alarm_lines, alarms_of, timeline
from service.errors import SOME_FAILED, SettingsInvalid, in_one_line
from service.pipeline.decoding.decode import Limits
from service.pipeline.options import SegmentOptions
from service.pipeline.pipeline import Pipeline
from service.pipeline.threshold import threshold_in_force
from service.runtime.model import Model
from service.runtime.slot import ModelSlot
from service.server.components import load, worker_options
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class SeenFrame:
    """What came of it: an error where it could not be read."""

    camera: tuple[int, str]
    file: Path
    name: str
    found: ReplayFrame | Exception


Observe = Callable[[ShownFrame], Awaitable[SeenFrame]]


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """What is replayed.

    Attributes:
        folders: Each a recording of one camera.
        interval_s: Between two frames.
        repeat: 0, or so often each picture is shown, as a smoke-free camera of its own.
        shift_px: By how much it shakes then.
        out: JSON file for the numbers.
        threshold: Probability that counts as smoke; None takes that of the rate.
        timeline: Print a line on every frame.
        false_alarm_rate: Certified rate that chooses the threshold; None takes the release's.
    """

    folders: Sequence[Path]
    interval_s: float
    repeat: int
    shift_px: int
    out: Path | None
    threshold: float | None = None
    timeline: bool = False
    false_alarm_rate: float | None = None


def run_replay(chosen: argparse.Namespace) -> int:
    """Replay what was named on the command line; returns the exit code."""
    if chosen.out and (chosen.out.is_dir() or not chosen.out.parent.is_dir()):
        raise SettingsInvalid(f"--out {readable(chosen.out)}: expected a file, in a folder that is there")
    settings = Settings.load(model_dir=chosen.model_dir, false_alarm_rate=chosen.false_alarm_rate)
    options = ReplayOptions(
        chosen.folders,
        chosen.interval,
        chosen.repeat,
        chosen.jitter,
        chosen.out,
        chosen.threshold,
        chosen.timeline,
        settings.false_alarm_rate,
    )
    return SOME_FAILED if _replay(options, settings, settings.alarm_policy, Console(width=120)) else 0


def _replay(options: ReplayOptions, settings: Settings, base: AlarmPolicy, console: Console) -> int:
    """Segment, decide, print the table and write the numbers.

    Returns:
        How many files could not be read.

    Raises:
        StartError: The release or a folder cannot be used.
    """
    recordings = [read_recording(folder) for folder in options.folders]
    _tell_strangers(recordings)
    settings = side_by_side(settings, _count(recordings, options))
    slot, workers, limits = ModelSlot(load(settings)), worker_options(settings), Limits(settings.pixels_max)
    wanted = SegmentOptions((), threshold=options.threshold, false_alarm_rate=options.false_alarm_rate)
    at_once = frames_at_once(slot.model, workers, wanted.frames)
    files = (recordings, settings.body_max_bytes)
    shown = shaken(*files, options.repeat, options.shift_px, limits) if options.repeat else recorded(*files)
    with Pipeline(slot, workers, limits) as pipeline:
        frames = in_order(shown, _observer(pipeline, wanted, base), at_once)
        seen = asyncio.run(_watched(frames, _count(recordings, options), console))
    cameras = [camera for camera in _cameras(seen) if not options.repeat or any(camera.frames)]
    alarms = alarms_of(cameras, options.interval_s, base)
    try:
        for line in _lines(cameras, alarms, options, base):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        _conclude(cameras, options, base, slot.model, console)
    finally:  # Whoever read the lines may have left.
        if options.out:
            numbers = _numbers(cameras, alarms, options, base, slot.model)
            options.out.write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
    return sum(isinstance(frame.found, Exception) for frame in seen)


def _observer(pipeline: Pipeline, options: SegmentOptions, base: AlarmPolicy) -> Observe:
    async def observe(frame: ShownFrame) -> ReplayFrame:
        body = await pipeline.offload(frame.read)
        segmentation = await pipeline.segment(body, options)
        regions = region_observations(
            segmentation.result, segmentation.map_px, Rule(base), damaged=segmentation.damaged
        )
        size, label = (segmentation.frame.width, segmentation.frame.height), frame.label
        return ReplayFrame(tuple(regions), label.smoke if label else None, _truth(label, *size))

    async def tried(frame: ShownFrame) -> SeenFrame:
        try:
            return SeenFrame(frame.camera, frame.file, frame.name, await observe(frame))
        except Exception as error:  # noqa: BLE001 - whatever a picture brings about, the others are shown
            return SeenFrame(frame.camera, frame.file, frame.name, error)

    return tried


async def _watched(frames: AsyncGenerator[SeenFrame], count: int, console: Console) -> list[SeenFrame]:
    """What came of each, in order; words on standard error where one could not be read: the others can."""
    seen = []
    with frame_progress(console) as progress:
        bar = progress.add_task("watching", total=count)
        async with aclosing(frames):
            async for frame in frames:
                if isinstance(frame.found, Exception):
                    _say(f"{readable(frame.file)}: {in_one_line(frame.found)}; left out")
                seen.append(frame)
                progress.advance(bar)
    return seen


def _cameras(seen: Iterable[SeenFrame]) -> Iterator[WatchedCamera]:
    """Camera by camera."""
    for (_, name), group in groupby(seen, key=lambda frame: frame.camera):
        frames = list(group)
        found = [None if isinstance(frame.found, Exception) else frame.found for frame in frames]
        yield WatchedCamera(name, [frame.name for frame in frames], found)


def _lines(
    cameras: Sequence[WatchedCamera], alarms: Sequence[AlarmEntry], options: ReplayOptions, base: AlarmPolicy
) -> Iterator[str]:
    """Every frame if that was asked for, then every alarm."""
    for camera in cameras if options.timeline else ():
        yield from timeline(camera, options.interval_s, base)
    yield from alarm_lines(alarms)


def _conclude(
    cameras: Sequence[WatchedCamera], options: ReplayOptions, base: AlarmPolicy, model: Model, console: Console
) -> None:
    """The table."""
    identity = model.identity
    threshold = threshold_in_force(model.manifest, options.threshold, options.false_alarm_rate)
    totals = compare([camera.frames for camera in cameras], options.interval_s, base)
    title = f"{identity.name} {identity.version} at threshold {threshold.value:g}"
    console.print(replay_table(totals, f"{title}; {frames_with_smoke(cameras)}"))


def _numbers(
    cameras: Sequence[WatchedCamera],
    alarms: Sequence[AlarmEntry],
    options: ReplayOptions,
    base: AlarmPolicy,
    model: Model,
) -> dict[str, Any]:
    """The table and the alarms, for JSON."""
    threshold = threshold_in_force(model.manifest, options.threshold, options.false_alarm_rate)
    totals = compare([camera.frames for camera in cameras], options.interval_s, base)
    point = OperatingPointBody.of(threshold)
    return {
        "model": asdict(model.identity),
        "threshold": threshold.value,
        "operating_point": point.model_dump() if point else None,
        "interval_s": options.interval_s,
        "policy": base.model_dump(),
        "totals": {name: asdict(total) for name, total in totals.items()},
        "alarms": [asdict(alarm) for alarm in alarms],
    }


def _tell_strangers(recordings: Sequence[Recording]) -> None:
    for recording in recordings:
        if recording.strangers:
            first, count = recording.strangers[0], len(recording.strangers)
            _say(f"{recording.name}: {count} labels are of no file of the folder, the first is {first!r}")


def _say(words: str) -> None:
    print(f"smoke-bvm: {words}", file=sys.stderr)  # noqa: T201


def _count(recordings: Sequence[Recording], options: ReplayOptions) -> int:
    return sum(len(recording.frames) for recording in recordings) * max(1, options.repeat)


def _truth(label: Label | None, width: int, height: int) -> tuple[RelativeBox, ...]:
    boxes = label.boxes if label else ()
    return tuple((left / width, top / height, right / width, bottom / height) for left, top, right, bottom in boxes)
