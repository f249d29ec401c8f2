"""`smoke-bvm segment`: pictures on disk in, reports and maps on disk out; a bad picture does not stop the rest."""

import argparse
import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

from service.api.schemas.result import LatencyBody
from service.api.schemas.segment import FileReport, MapFile
from service.cli.recordings import collect
from service.errors import SOME_FAILED, USAGE, BodyTooLarge, RequestError
from service.pipeline.decode import Limits
from service.pipeline.options import SegmentOptions
from service.pipeline.pipeline import Pipeline, Segmentation
from service.runtime.slot import ModelSlot
from service.server.components import load, worker_options
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class SegmentTask:
    """One picture and the stem of the files written for it."""

    source: Path
    stem: str


@dataclass(frozen=True, slots=True)
class SegmentJob:
    """What every task is worked with: the pipeline, what is wanted of it, where it goes, and the largest file read."""

    pipeline: Pipeline
    options: SegmentOptions
    out: Path
    body_max_bytes: int


def run_segment(chosen: argparse.Namespace) -> int:
    """Segment what was named on the command line; returns the exit code."""
    console = Console(stderr=True)
    if any(path.is_dir() and path.resolve() == chosen.out.resolve() for path in chosen.inputs):
        console.print(f"--out {chosen.out} is one of the inputs; expected a folder of its own", markup=False)
        return USAGE
    try:
        options = SegmentOptions(chosen.outputs, chosen.resolution, chosen.threshold, chosen.tiles, chosen.encoding)
    except RequestError as error:
        console.print(str(error), markup=False)
        return USAGE
    tasks = name_tasks(collect(chosen.inputs, chosen.out))
    if not tasks:
        console.print("no JPEG, PNG or WebP files found", style="red")
        return SOME_FAILED
    failed = _work(tasks, options, chosen, console)
    console.print(f"{len(tasks) - failed} of {len(tasks)} pictures segmented into {chosen.out}", markup=False)
    return SOME_FAILED if failed else 0


def _work(tasks: list[SegmentTask], options: SegmentOptions, chosen: argparse.Namespace, console: Console) -> int:
    """Load the model and answer the tasks; returns how many failed."""
    settings = Settings.load(model_dir=chosen.model_dir)
    slot = ModelSlot(load(settings))
    options = replace(options, false_alarm_rate=settings.false_alarm_rate)
    with Pipeline(slot, worker_options(settings), Limits(settings.pixels_max)) as pipeline:
        job = SegmentJob(pipeline, options, chosen.out, settings.body_max_bytes)
        return segment_files(tasks, job, console)


def name_tasks(pictures: Iterable[Path]) -> list[SegmentTask]:
    """Give each picture its own stem: the second `plume` becomes `plume-2`, so that nothing is overwritten."""
    pictures = list(pictures)
    taken = {picture.stem for picture in pictures}
    used: set[str] = set()
    tasks = []
    for picture in pictures:
        stem = picture.stem if picture.stem not in used else _free_stem(picture.stem, taken)
        taken.add(stem)
        used.add(stem)
        tasks.append(SegmentTask(picture, stem))
    return tasks


def segment_files(tasks: list[SegmentTask], job: SegmentJob, console: Console) -> int:
    """Answer each task, report on the console.

    Returns:
        How many failed.
    """
    job.out.mkdir(parents=True, exist_ok=True)
    with _progress(console) as progress:
        return sum(not _went_well(task, job, console) for task in progress.track(tasks, description="segmenting"))


def _went_well(task: SegmentTask, job: SegmentJob, console: Console) -> bool:
    """Answer one picture; say what went wrong, and return whether nothing did."""
    try:
        _answer_picture(task, job)
    except (RequestError, OSError) as error:
        console.print(f"{task.source}: {error}", style="red", markup=False, highlight=False)
        return False
    if task.stem != task.source.stem:
        console.print(f"{task.source}: written as {task.stem}.*, its own name is taken", markup=False, highlight=False)
    return True


def _answer_picture(task: SegmentTask, job: SegmentJob) -> None:
    started_s = time.perf_counter()
    body = _read(task.source, job.body_max_bytes)
    read_s = time.perf_counter() - started_s
    segmentation = asyncio.run(job.pipeline.segment(body, job.options))
    latency = LatencyBody.of(segmentation.stages, read_s, time.perf_counter() - started_s)
    _write(task, job.out, segmentation, FileReport.result_fields(segmentation, latency))


def _read(path: Path, max_bytes: int) -> bytes:
    with path.open("rb") as stream:
        body = stream.read(max_bytes + 1)
    if len(body) > max_bytes:
        raise BodyTooLarge(f"found more than {max_bytes} bytes, expected at most that")
    return body


def _write(task: SegmentTask, out: Path, segmentation: Segmentation, fields: dict[str, Any]) -> None:
    maps = {}
    for name, encoded in segmentation.maps.items():
        file = f"{task.stem}.{name}.{encoded.encoding}"
        (out / file).write_bytes(encoded.data)
        maps[name] = MapFile.of(encoded, file)
    overlay = f"{task.stem}.overlay.jpg" if segmentation.picture else None
    if segmentation.picture and overlay:
        (out / overlay).write_bytes(segmentation.picture.data)
    report = FileReport(source=str(task.source), maps=maps, overlay=overlay, **fields)
    (out / f"{task.stem}.json").write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _free_stem(stem: str, taken: set[str]) -> str:
    number = 2
    while f"{stem}-{number}" in taken:
        number += 1
    return f"{stem}-{number}"


def _progress(console: Console) -> Progress:
    return Progress(*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn(), console=console)
