"""Reports on disk: written last and whole, so that one that is there says that its picture was answered."""

from pathlib import Path

from pydantic import ValidationError

from models.tiles import worth_tiling
from service.api.schemas.model import ModelBody
from service.api.schemas.segment import FileReport
from service.cli.pictures import readable
from service.pipeline.options import MAPS, OVERLAY, POLYGONS, RLE, SegmentOptions
from service.pipeline.threshold import threshold_in_force
from service.runtime.model import Model


def write_report(report: FileReport, file: Path) -> None:
    """A reader sees all of it or none: it takes its place once it is written."""
    fresh = file.with_name(f"{file.name}.new")
    fresh.write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
    fresh.replace(file)


def report_of(source: Path, file: Path, options: SegmentOptions, model: Model) -> FileReport | None:
    """The report that an earlier run wrote on a picture.

    Returns:
        None where there is none, or where it is of another picture, of one that has changed since, by another model or threshold, or
        without what is wanted now.
    """
    try:
        report = FileReport.model_validate_json(file.read_bytes())
        newer = source.stat().st_mtime > file.stat().st_mtime
    except (OSError, ValidationError):
        return None
    threshold = threshold_in_force(model.manifest, options.threshold, options.false_alarm_rate)
    same = report.source == readable(source) and report.model == ModelBody.of(model.identity, threshold)
    return report if same and not newer and _as_wanted(report, file.with_suffix(""), options, model) else None


def _as_wanted(report: FileReport, stem: Path, options: SegmentOptions, model: Model) -> bool:
    size_px, frame = model.manifest.input.size_px, report.frame
    side = (frame.width, frame.height) if options.resolution == "frame" else (size_px, size_px)
    tiles = options.tiles if worth_tiling(frame.width, frame.height, size_px) else None
    given = {OVERLAY: report.overlay, POLYGONS: report.polygons, RLE: report.rle}
    files = [f"{name}.{options.encoding}" for name in report.maps]
    files += [f"{OVERLAY}{Path(report.overlay).suffix}"] if report.overlay else []
    return (
        report.tiles == tiles
        and [*report.maps] == [name for name in options.outputs if name in MAPS]
        and all((output in options.outputs) == (found is not None) for output, found in given.items())
        and all((entry.width, entry.height) == side for entry in report.maps.values())
        and all(stem.with_name(f"{stem.name}.{file}").is_file() for file in files)
    )
