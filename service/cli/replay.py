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

from rich.console import Console

from service.api.schemas.model import OperatingPointBody
from service.cameras.evidence import AlarmPolicy, RelativeBox
from service.cameras.observation import region_observations
from service.cameras.replay import ReplayFrame, compare
from service.cameras.rules import Rule
from service.cli.overlap import frames_at_once, in_order, side_by_side
from service.cli.pictures import readable
from service.cli.progress import OutputConsole, frame_progress, say
from service.cli.recordings import Label, Recording, read_recording
from service.cli.replay_frames import ShownFrame, recorded, shaken
from service.cli.replay_table import frames_with_smoke, replay_table
from service.cli.timeline import WatchedCamera, alarm_lines, alarms_of, timeline
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


def run_replay(chosen: argparse.Namespace) -> int:
    """Replay what was named on the command line; returns the exit code."""
    if chosen.out and (chosen.out.is_dir() or not chosen.out.parent.is_dir()):
        raise SettingsInvalid(f"--out {readable(chosen.out)}: expected a file, in a folder that is there")
    settings = Settings.load(model_dir=chosen.model_dir, false_alarm_rate=chosen.false_alarm_rate)
    recordings = [read_recording(folder) for folder in chosen.folders]
    _tell_strangers(recordings)
    count = sum(len(recording.frames) for recording in recordings) * max(1, chosen.repeat)
    slot, console = ModelSlot(load(side_by_side(settings, count))), OutputConsole(width=120)
    seen = _seen(recordings, count, chosen, settings, slot)
    cameras = [camera for camera in _cameras(seen) if not chosen.repeat or any(camera.frames)]
    _tell(cameras, chosen, settings, slot.model, console)
    return SOME_FAILED if any(isinstance(frame.found, Exception) for frame in seen) else 0


def _seen(
    recordings: Sequence[Recording],
    count: int,
    chosen: argparse.Namespace,
    settings: Settings,
    slot: ModelSlot,
) -> list[SeenFrame]:
    """What the model makes of every frame, of which there are `count`."""
    workers, limits = worker_options(settings), Limits(settings.pixels_max)
    options = SegmentOptions((), threshold=chosen.threshold, false_alarm_rate=settings.false_alarm_rate)
    files = (recordings, settings.body_max_bytes)
    shown = shaken(*files, chosen.repeat, chosen.jitter, limits) if chosen.repeat else recorded(*files)
    at_once = frames_at_once(slot.model, workers, options.frames)
    with Pipeline(slot, workers, limits) as pipeline:
        frames = in_order(shown, _observer(pipeline, options, settings.alarm_policy), at_once)
        return asyncio.run(_watched(frames, count))


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


async def _watched(frames: AsyncGenerator[SeenFrame], count: int) -> list[SeenFrame]:
    """What came of each, in order; words on standard error where one could not be read: the others can."""
    seen = []
    with frame_progress(Console(stderr=True)) as progress:
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


def _tell(
    cameras: Sequence[WatchedCamera], chosen: argparse.Namespace, settings: Settings, model: Model, console: Console
) -> None:
    """Print every frame if that was asked for, every alarm, and the table; write the numbers."""
    policy, identity = settings.alarm_policy, model.identity
    threshold = threshold_in_force(model.manifest, chosen.threshold, settings.false_alarm_rate)
    alarms = alarms_of(cameras, chosen.interval, policy)
    totals = compare([camera.frames for camera in cameras], chosen.interval, policy)
    frame_lines = (line for camera in cameras for line in timeline(camera, chosen.interval, policy))
    try:
        for line in (*(frame_lines if chosen.timeline else ()), *alarm_lines(alarms)):
            say(console, line)
        title = f"{identity.name} {identity.version} at threshold {threshold.value:g}"
        console.print(replay_table(totals, f"{title}; {frames_with_smoke(cameras)}"))
    finally:  # Whoever read the lines may have left.
        if chosen.out:
            point = OperatingPointBody.of(threshold)
            numbers = {
                "model": asdict(identity),
                "threshold": threshold.value,
                "operating_point": point.model_dump() if point else None,
                "interval_s": chosen.interval,
                "policy": policy.model_dump(),
                "totals": {name: asdict(total) for name, total in totals.items()},
                "alarms": [asdict(alarm) for alarm in alarms],
            }
            chosen.out.write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")


def _tell_strangers(recordings: Sequence[Recording]) -> None:
    for recording in recordings:
        if recording.strangers:
            first, count = recording.strangers[0], len(recording.strangers)
            _say(f"{recording.name}: {count} labels are of no file of the folder, the first is {first!r}")


def _say(words: str) -> None:
    print(f"smoke-bvm: {words}", file=sys.stderr)  # noqa: T201


def _truth(label: Label | None, width: int, height: int) -> tuple[RelativeBox, ...]:
    boxes = label.boxes if label else ()
    return tuple((left / width, top / height, right / width, bottom / height) for left, top, right, bottom in boxes)
