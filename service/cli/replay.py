"""`smoke-bvm _replay`: recordings through the released model and the alarm, and the table of what came of it."""

import argparse
import asyncio
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from models.geometry import RGB
from service.cameras.camera import region_observations
from service.cameras.evidence import AlarmPolicy, Box
from service.cameras.replay import ReplayFrame, ReplayTotals, compare
from service.cameras.rules import Rule
from service.cli.recordings import Label, Recording, read_recording
from service.errors import SOME_FAILED, RequestError
from service.pipeline.decode import Limits, decode
from service.pipeline.options import SegmentOptions
from service.pipeline.pipeline import Pipeline
from service.runtime.slot import ModelSlot
from service.server.components import alarm_policy, load, worker_options
from service.settings import Settings

_SEED: Final = 20261123
Observe = Callable[[bytes, Label | None], ReplayFrame]


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """What is replayed.

    Attributes:
        folders: Each a recording of one camera.
        interval_s: Between two frames.
        repeat: 0, or so often each picture is shown, as a smoke-free camera of its own.
        shift_px: By how much it shakes then.
        out: JSON file for the numbers.
        threshold: Probability that counts as smoke; None takes the release's.
    """

    folders: Sequence[Path]
    interval_s: float
    repeat: int
    shift_px: int
    out: Path | None
    threshold: float | None = None


def run_replay(chosen: argparse.Namespace) -> int:
    """Replay what was named on the command line; returns the exit code."""
    settings = Settings.load(model_dir=chosen.model_dir)
    repeat, shift_px = max(0, chosen.repeat), max(0, chosen.jitter)
    options = ReplayOptions(chosen.folders, chosen.interval, repeat, shift_px, chosen.out, chosen.threshold)
    try:
        _replay(options, settings, alarm_policy(settings), Console(width=120))
    except (RequestError, OSError) as error:
        print(f"smoke-bvm: {error}", file=sys.stderr)  # noqa: T201
        return SOME_FAILED
    return 0


def _replay(options: ReplayOptions, settings: Settings, base: AlarmPolicy, console: Console) -> None:
    """Segment, decide, print the table and write the numbers.

    Raises:
        StartError: The release or a folder cannot be used.
        RequestError: A picture cannot be read.
    """
    recordings = [read_recording(folder) for folder in options.folders]
    slot, limits = ModelSlot(load(settings)), Limits(settings.pixels_max)
    manifest, segment_options = slot.model.manifest, SegmentOptions((), threshold=options.threshold)
    with Pipeline(slot, worker_options(settings), limits) as pipeline:

        def observe(body: bytes, label: Label | None) -> ReplayFrame:
            segmentation = asyncio.run(pipeline.segment(body, segment_options))
            found = (segmentation.result, segmentation.map_px, Rule(base))
            regions = region_observations(*found, damaged=segmentation.damaged)
            size = (segmentation.frame.width, segmentation.frame.height)
            return ReplayFrame(tuple(regions), label.smoke if label else None, _truth(label, *size))

        shown = _repeated(recordings, options, observe, limits) if options.repeat else _recorded(recordings, observe)
        cameras = [list(frames) for frames in track(shown, "watching", _count(recordings, options), console=console)]
    identity = slot.model.identity
    totals = compare(cameras, options.interval_s, base)
    console.print(_table(totals, f"{identity.name} {identity.version}; {_frames_with_smoke(cameras)}"))
    if manifest.gate is None:
        console.print("the release has no gate and doubts nothing: the first two lines are one and the same")
    if options.out:
        numbers = {
            "model": asdict(identity),
            "threshold": options.threshold or manifest.threshold,
            "interval_s": options.interval_s,
            "policy": asdict(base),
        }
        numbers["totals"] = {name: asdict(total) for name, total in totals.items()}
        options.out.write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")


def _count(recordings: Sequence[Recording], options: ReplayOptions) -> int:
    return sum(len(recording.frames) for recording in recordings) if options.repeat else len(recordings)


def _recorded(recordings: Sequence[Recording], observe: Observe) -> Iterator[Iterator[ReplayFrame]]:
    for recording in recordings:
        labels = recording.labels
        # A frame that the labels leave out was looked at by nobody.
        yield (observe(frame.read_bytes(), labels.get(frame.name) if labels else None) for frame in recording.frames)


def _repeated(
    recordings: Sequence[Recording], options: ReplayOptions, observe: Observe, limits: Limits
) -> Iterator[Iterator[ReplayFrame]]:
    frames = [frame for recording in recordings for frame in recording.frames]
    for number, frame in enumerate(frames):
        picture = decode(frame.read_bytes(), limits)
        shaken = jittered(picture, options.repeat, options.shift_px, _SEED + number)
        yield (observe(body, Label(smoke=False, boxes=())) for body in shaken)


def jittered(picture: RGB, times: int, shift_px: int, seed: int) -> Iterator[bytes]:
    """A picture as a shaking camera would send it: moved by up to `shift_px` pixels, up to 3 % brighter or darker, as JPEG files."""
    random = np.random.default_rng(seed)
    height, width = picture.shape[:2]
    for _ in range(times):
        right, down = random.integers(-shift_px, shift_px + 1, 2)
        move = np.array([[1, 0, right], [0, 1, down]], np.float64)
        moved = cv2.warpAffine(picture, move, (width, height), borderMode=cv2.BORDER_REPLICATE)
        shown = np.clip(moved * random.uniform(0.97, 1.03), 0, 255).astype(np.uint8)
        _, data = cv2.imencode(".jpg", shown[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(85, 96))])
        yield data.tobytes()


def _truth(label: Label | None, width: int, height: int) -> tuple[Box, ...]:
    boxes = label.boxes if label else ()
    return tuple((left / width, top / height, right / width, bottom / height) for left, top, right, bottom in boxes)


def _frames_with_smoke(cameras: Sequence[Sequence[ReplayFrame]]) -> str:
    """How often single frames were right, whatever the alarm made of them."""
    frames = [frame for camera in cameras for frame in camera]
    words = []
    for smoke, name in ((False, "smoke-free"), (True, "with smoke"), (None, "unlabelled")):
        of_kind = [frame for frame in frames if frame.smoke is smoke]
        if of_kind:
            words.append(f"a region on {sum(bool(s.regions) for s in of_kind)} of {len(of_kind)} frames {name}")
    return ", ".join(words)


def _table(totals: Mapping[str, ReplayTotals], title: str) -> Table:
    table = Table(title=title, title_justify="left")
    for name in (
        "policy",
        "cameras",
        "hours",
        "fires found",
        "median minutes",
        "alarms",
        "false",
        "false per hour",
        "reviews",
    ):
        table.add_column(name, justify="left" if name == "policy" else "right")
    for name, total in totals.items():
        minutes = None if total.median_detection_s is None else total.median_detection_s / 60
        table.add_row(
            name,
            str(total.cameras),
            f"{total.hours:.2f}",
            f"{total.detected} of {total.fires}",
            _or_dash(minutes, ".1f"),
            str(total.alarms),
            _or_dash(total.false_alarms, "d"),
            _or_dash(total.false_alarms_per_hour, ".2f"),
            str(total.reviews),
        )
    return table


def _or_dash(number: float | None, form: str) -> str:
    return "-" if number is None else format(number, form)
