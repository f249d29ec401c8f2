"""The formats by name, and all that were asked for as one."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from service.api.schemas.segment import FileReport
from service.cli.annotations.coco import CocoWriter
from service.cli.annotations.labelme import LabelmeWriter
from service.cli.annotations.shapes import AnnotatedPicture, region_shapes
from service.cli.annotations.yolo import YoloWriter


class FormatWriter(Protocol):
    """Writes one format."""

    def add(self, picture: AnnotatedPicture) -> None:
        """Take a picture."""

    def close(self) -> None:
        """Write what is left."""


class Annotations:
    """What is told of each picture to every format that was asked for."""

    def __init__(self, writers: Sequence[FormatWriter]) -> None:
        self._writers = writers

    def answered(self, report: FileReport, source: Path, stem: str, folder: Path) -> None:
        """A picture, its report, and the stem and folder of what is written of it."""
        if self._writers:
            size = (report.frame.width, report.frame.height)
            picture = AnnotatedPicture(source, stem, folder, *size, region_shapes(report))
            for writer in self._writers:
                writer.add(picture)


@contextmanager
def open_annotations(formats: Sequence[str], out: Path, sources: Sequence[Path]) -> Iterator[Annotations]:
    """Write the formats below `out`, each in a folder of its name; what was told until then is written even if the work is stopped."""
    writers: list[FormatWriter] = []
    if "yolo" in formats:
        writers.append(YoloWriter(out / "yolo"))
    if "coco" in formats:
        writers.append(CocoWriter(out / "coco", sources))
    if "labelme" in formats:
        writers.append(LabelmeWriter(out / "labelme"))
    try:
        yield Annotations(writers)
    finally:
        for writer in writers:
            writer.close()
