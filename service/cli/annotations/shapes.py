"""What annotation tools are told of a picture: its regions as plain polygons of few points."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from models.outlines import Ring, plain
from service.api.schemas.segment import FileReport

LABEL: Final = "smoke"


@dataclass(frozen=True, slots=True)
class RegionShape:
    """A region of smoke.

    Attributes:
        number: Its place in the report, from 0.
        polygons: Mostly one; each (n, 2) x, y in pixels, within a pixel of the outline; a hole is joined to the outer ring by a cut.
        area_px: Of the outline.
        mean_probability, epistemic: Means over it, the latter in nats.
        doubted: Whether the gate takes it for a likely false alarm.
    """

    number: int
    polygons: tuple[Ring, ...]
    area_px: int
    mean_probability: float
    epistemic: float
    doubted: bool


@dataclass(frozen=True, slots=True)
class AnnotatedPicture:
    """A picture file, the stem and the folder of what is written of it, its size, and its regions."""

    source: Path
    stem: str
    folder: Path
    width: int
    height: int
    shapes: tuple[RegionShape, ...]


def region_shapes(report: FileReport) -> tuple[RegionShape, ...]:
    """The regions of a report that was asked for `polygons`; those that fall between the frame's pixels are left out."""
    features = report.polygons.features if report.polygons else []
    return tuple(
        RegionShape(
            number,
            tuple(plain(rings) for rings in pieces),
            sum(_area_px(rings) for rings in pieces),
            region.mean_probability,
            region.epistemic,
            region.doubted,
        )
        for number, (region, feature) in enumerate(zip(report.regions, features, strict=True))
        if (pieces := [[np.array(ring[:-1], np.int32) for ring in rings] for rings in feature.geometry.coordinates])
    )


def _area_px(rings: Iterable[Ring]) -> int:
    outer, *holes = (cv2.contourArea(ring) for ring in rings)
    return round(outer - sum(holes))
