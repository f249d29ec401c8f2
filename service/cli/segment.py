"""`smoke-bvm segment`: pictures on disk in, reports and maps on disk out; a bad picture does not stop the rest."""

import argparse
import asyncio
import time
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from service.api.schemas.result import LatencyBody
from service.api.schemas.segment import FileReport, MapFile
from service.cli.annotations.writers import Annotations, open_annotations
from service.cli.overlap import frames_at_once, in_order, side_by_side
from service.cli.pictures import SegmentTask, collect, name_tasks, readable
from service.cli.progress import frame_progress, say
from service.cli.reports import report_of, write_report
from service.cli.summary import SummaryTable, open_summary
from service.cli.video import cut_videos
from service.errors import SOME_FAILED, RequestError, SettingsInvalid, in_one_line
from service.files import read_file
from service.pipeline.decoding.decode import Limits
from service.pipeline.options import POLYGONS, SegmentOptions
from service.pipeline.pipeline import Pipeline, Segmentation
from service.pipeline.workers import Rank
from service.runtime.model import Model
from service.runtime.slot import ModelSlot
from service.server.components import load, worker_options
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class SegmentJob:
    """What every task is worked with.

    Attributes:
        pipeline: Where it is worked on.
        options: What is wanted of it.
        out: Where that goes.
        body_max_bytes: The largest file read.
        at_once: How many pictures are on their way.
        summary, annotations: What is told of each.
    """

    pipeline: Pipeline
    options: SegmentOptions
    out: Path
    body_max_bytes: int
    at_once: int
    summary: SummaryTable
    annotations: Annotations


def run_segment(chosen: argparse.Namespace) -> int:
    """Segment what was named on the command line; returns the exit code."""
    console = Console(stderr=True)
    if chosen.out.exists() and not chosen.out.is_dir():
        raise SettingsInvalid(f"--out {readable(chosen.out)} is a file; expected a folder")
    if any(path.is_dir() and path.resolve() == chosen.out.resolve() for path in chosen.inputs):
        raise SettingsInvalid(f"--out {readable(chosen.out)} is one of the inputs; expected a folder of its own")
    try:
        outputs = tuple(dict.fromkeys((*chosen.outputs, POLYGONS))) if chosen.format else chosen.outputs
        options = SegmentOptions(outputs, chosen.resolution, chosen.threshold, chosen.tiles, chosen.encoding)
    except RequestError as error:
        raise SettingsInvalid(str(error)) from None
    found = collect(cut_videos(chosen.inputs, chosen.out / "frames", chosen.every), chosen.out)
    tasks = name_tasks(found.pictures, chosen.inputs if chosen.tree else ())
    if not tasks:
        say(console, "no JPEG, PNG or WebP files found", "red")
        return SOME_FAILED
    failed = _work(tasks, options, chosen, console)
    skipped = f"; skipped {found.others} files that are no pictures by their names" if found.others else ""
    say(console, f"{len(tasks) - failed} of {len(tasks)} pictures segmented into {readable(chosen.out)}{skipped}")
    return SOME_FAILED if failed else 0


def _work(tasks: list[SegmentTask], options: SegmentOptions, chosen: argparse.Namespace, console: Console) -> int:
    """Load the model and answer the tasks; returns how many failed."""
    settings = side_by_side(Settings.load(model_dir=chosen.model_dir), len(tasks))
    slot, workers = ModelSlot(load(settings)), worker_options(settings)
    options = replace(options, false_alarm_rate=settings.false_alarm_rate)
    at_once = frames_at_once(slot.model, workers, options.frames)
    chosen.out.mkdir(parents=True, exist_ok=True)
    with (
        open_summary(chosen.csv) as summary,
        open_annotations(chosen.format, chosen.out, [task.source for task in tasks]) as annotations,
        Pipeline(slot, workers, Limits(settings.pixels_max)) as pipeline,
    ):
        job = SegmentJob(pipeline, options, chosen.out, settings.body_max_bytes, at_once, summary, annotations)
        left = _left(tasks, job, slot.model, console) if chosen.resume else tasks
        return asyncio.run(segment_files(left, job, console))


def _left(tasks: Iterable[SegmentTask], job: SegmentJob, model: Model, console: Console) -> list[SegmentTask]:
    """The tasks that have no answer yet; those that have one go into the summary."""
    left, there = [], 0
    for task in tasks:
        report = report_of(task.source, job.out / task.folder / f"{task.stem}.json", job.options, model)
        if report is None:
            left.append(task)
            continue
        there += 1
        _told(task, report, job)
    say(console, f"resuming: {there} pictures have their answer, {len(left)} are left")
    return left


async def segment_files(tasks: Sequence[SegmentTask], job: SegmentJob, console: Console) -> int:
    """Answer each task, many at once, and report in their order on the console.

    Returns:
        How many failed.
    """
    done = failed = 0
    with frame_progress(console) as progress:
        bar = progress.add_task("segmenting", total=len(tasks))
        async with aclosing(in_order(tasks, lambda task: _tried(task, job), job.at_once)) as answers:
            try:
                async for task, answer in answers:
                    done, failed = done + 1, failed + _tell(task, answer, job, console)
                    progress.advance(bar)
            except asyncio.CancelledError:
                say(console, f"stopped after {done} of {len(tasks)} pictures; --resume goes on from there")
                raise
    return failed


async def _tried(task: SegmentTask, job: SegmentJob) -> tuple[SegmentTask, FileReport | Exception]:
    try:
        return task, await _answer_picture(task, job)
    except Exception as error:  # noqa: BLE001 - whatever a picture brings about, the others are answered
        return task, error


def _tell(task: SegmentTask, answer: FileReport | Exception, job: SegmentJob, console: Console) -> bool:
    """Say what went wrong with a picture, and put it into the summary; returns whether something did."""
    source = readable(task.source)
    if isinstance(answer, Exception):
        say(console, f"{source}: {in_one_line(answer)}", "red")
        job.summary.failed(source, in_one_line(answer))
        return True
    _told(task, answer, job)
    if task.stem != task.source.stem:
        say(console, f"{source}: written as {readable(task.stem)}.*, its own name is taken")
    return False


def _told(task: SegmentTask, report: FileReport, job: SegmentJob) -> None:
    job.summary.answered(report, readable(task.folder / f"{task.stem}.json"))
    job.annotations.answered(report, task.source, task.stem, task.folder)


async def _answer_picture(task: SegmentTask, job: SegmentJob) -> FileReport:
    started_s = time.perf_counter()
    body = await job.pipeline.offload(lambda: read_file(task.source, job.body_max_bytes))
    read_s = time.perf_counter() - started_s
    segmentation = await job.pipeline.segment(body, job.options)
    latency = LatencyBody.of(segmentation.stages, read_s, time.perf_counter() - started_s)
    fields = FileReport.result_fields(segmentation, latency)
    return await job.pipeline.offload(lambda: _write(task, job.out / task.folder, segmentation, fields), Rank.FINISH)


def _write(task: SegmentTask, out: Path, segmentation: Segmentation, fields: dict[str, Any]) -> FileReport:
    out.mkdir(parents=True, exist_ok=True)
    maps, made = {}, segmentation.rendering
    for name, encoded in made.maps.items():
        file = f"{task.stem}.{name}.{encoded.encoding}"
        (out / file).write_bytes(encoded.data)
        maps[name] = MapFile.of(encoded, readable(file))
    overlay = f"{task.stem}.overlay{made.picture.suffix}" if made.picture else None
    if made.picture and overlay:
        (out / overlay).write_bytes(made.picture.data)
    shown = readable(overlay) if overlay else None
    report = FileReport(source=readable(task.source), maps=maps, overlay=shown, **fields)
    write_report(report, out / f"{task.stem}.json")
    return report
