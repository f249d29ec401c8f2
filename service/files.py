"""`smoke-bvm segment`: pictures on disk in, reports and maps on disk out; a bad picture does not stop the rest."""

import asyncio
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

from service.api.schemas.result import LatencyBody
from service.api.schemas.segment import FileReport, MapFile
from service.errors import BodyTooLarge, RequestError
from service.pipeline.options import Order
from service.pipeline.pipeline import Pipeline, Segmentation

_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp"})


@dataclass(frozen=True, slots=True)
class Task:
    """One picture and the stem of the files written for it."""

    source: Path
    stem: str


@dataclass(frozen=True, slots=True)
class Desk:
    """What every task is worked with: the pipeline, what is wanted of it, where it goes, and the largest file read."""

    pipeline: Pipeline
    order: Order
    out: Path
    body_max_bytes: int


def collect(inputs: Iterable[Path], out: Path) -> list[Path]:
    """Pictures named or found in named folders (and below), in order, each once; what lies in `out` is left alone."""
    found: dict[Path, None] = {}
    for path in inputs:
        pictures = sorted(_pictures(path, out)) if path.is_dir() else [path]
        found |= dict.fromkeys(pictures)
    return list(found)


def name_tasks(pictures: Iterable[Path]) -> list[Task]:
    """Give each picture its own stem: the second `plume` becomes `plume-2`, so that nothing is overwritten."""
    pictures = list(pictures)
    taken = {picture.stem for picture in pictures}
    used: set[str] = set()
    tasks = []
    for picture in pictures:
        stem = picture.stem if picture.stem not in used else _free_stem(picture.stem, taken)
        taken.add(stem)
        used.add(stem)
        tasks.append(Task(picture, stem))
    return tasks


def segment_files(tasks: list[Task], desk: Desk, console: Console) -> int:
    """Answer each task, report on the console.

    Returns:
        How many failed.
    """
    desk.out.mkdir(parents=True, exist_ok=True)
    with _progress(console) as progress:
        return sum(not _went_well(task, desk, console) for task in progress.track(tasks, description="segmenting"))


def _went_well(task: Task, desk: Desk, console: Console) -> bool:
    """Answer one picture; say what went wrong, and return whether nothing did."""
    try:
        _segment(task, desk)
    except (RequestError, OSError) as error:
        console.print(f"{task.source}: {error}", style="red", markup=False, highlight=False)
        return False
    if task.stem != task.source.stem:
        console.print(f"{task.source}: written as {task.stem}.*, its own name is taken", markup=False, highlight=False)
    return True


def _segment(task: Task, desk: Desk) -> None:
    started_s = time.perf_counter()
    body = _read(task.source, desk.body_max_bytes)
    read_s = time.perf_counter() - started_s
    segmentation = asyncio.run(desk.pipeline.segment(body, desk.order))
    latency = LatencyBody.of(segmentation.stages, read_s, time.perf_counter() - started_s)
    _write(task, desk.out, segmentation, FileReport.fields_of(segmentation, latency))


def _read(path: Path, max_bytes: int) -> bytes:
    with path.open("rb") as stream:
        body = stream.read(max_bytes + 1)
    if len(body) > max_bytes:
        raise BodyTooLarge(f"found more than {max_bytes} bytes, expected at most that")
    return body


def _write(task: Task, out: Path, segmentation: Segmentation, findings: dict[str, Any]) -> None:
    maps = {}
    for name, encoded in segmentation.maps.items():
        file = f"{task.stem}.{name}.{encoded.encoding}"
        (out / file).write_bytes(encoded.data)
        maps[name] = MapFile.of(encoded, file)
    overlay = f"{task.stem}.overlay.jpg" if segmentation.picture else None
    if segmentation.picture and overlay:
        (out / overlay).write_bytes(segmentation.picture.data)
    report = FileReport(source=str(task.source), maps=maps, overlay=overlay, **findings)
    (out / f"{task.stem}.json").write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _pictures(folder: Path, out: Path) -> Iterator[Path]:
    inside = out.resolve()
    for path in folder.rglob("*"):
        if path.suffix.lower() in _SUFFIXES and path.is_file() and not path.resolve().is_relative_to(inside):
            yield path


def _free_stem(stem: str, taken: set[str]) -> str:
    number = 2
    while f"{stem}-{number}" in taken:
        number += 1
    return f"{stem}-{number}"


@contextmanager
def _progress(console: Console) -> Iterator[Progress]:
    with Progress(
        *Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn(), console=console
    ) as bar:
        yield bar
