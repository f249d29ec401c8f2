"""What a frame says to its camera: when it was taken and came, and where smoke was found on it."""

from dataclasses import astuple
from typing import TYPE_CHECKING, NamedTuple, Self

from models.geometry import Region
from service.cameras.alarm import COUNTED_REGIONS_MAX
from service.cameras.clock import Stamp
from service.cameras.evidence import RegionObservation, RelativeBox
from service.cameras.rules import Rule
from service.pipeline.detections import FrameResult, MeanUncertainty
from service.pipeline.image_stats import ImageStats
from service.runtime.model import ModelInfo

if TYPE_CHECKING:  # So that a client, which reads cameras' bodies, need not have what decodes pictures.
    from service.pipeline.pipeline import Segmentation


class FrameObservation(NamedTuple):
    """One frame of a camera: when it was taken and came, what was found, on which square, what it looks like.

    `tiled` says whether tiles were looked at beside the whole frame, `model` which one answered, `view` what the camera was turned to,
    if it says so, and `damaged` whether its file was; `threshold` is the probability from which on a pixel was smoke.
    """

    stamp: Stamp
    result: FrameResult
    size_px: int
    stats: ImageStats
    tiled: bool = False
    model: ModelInfo | None = None
    view: str = ""
    threshold: float | None = None
    damaged: bool = False

    @classmethod
    def of(cls, found: "Segmentation", stats: ImageStats, stamp: Stamp, view: str) -> Self:
        """From what was found on it."""
        return cls(
            stamp,
            found.result,
            found.map_px,
            stats,
            tiled=found.tiles is not None,
            model=found.identity,
            view=view,
            threshold=found.threshold.value,
            damaged=found.damaged,
        )

    @property
    def drifting(self) -> dict[str, float]:
        """What is held against its camera's past and the release, by the quantities of `models.drift.DRIFTING` that it tells."""
        values = {"brightness": self.stats.brightness, "contrast": self.stats.contrast}
        if not self.tiled:  # the uncertainty of tiles is another quantity
            values["epistemic"] = self.result.frame_uncertainty.epistemic
        if self.result.novelty:
            values["novelty"] = self.result.novelty.score
        return values


class RecentFrame(NamedTuple):
    """What was found on one of a camera's last frames: regions, the doubted of them, the smoke's share, mean uncertainty, novelty."""

    arrived_s: float
    regions: int
    doubted: int
    area_fraction: float
    uncertainty: MeanUncertainty
    novelty: float | None

    @classmethod
    def of(cls, frame: FrameObservation) -> Self:
        """From all that a frame says."""
        result = frame.result
        return cls(
            frame.stamp.arrived_s,
            regions=len(result.regions),
            doubted=sum(region.doubted for region in result.regions),
            area_fraction=result.smoke.area_fraction,
            uncertainty=result.frame_uncertainty,
            novelty=result.novelty.score if result.novelty else None,
        )


def region_observations(
    result: FrameResult, size_px: int, rule: Rule, *, damaged: bool = False
) -> list[RegionObservation]:
    """The regions that count, and all that the alarm wants of them."""
    counted = []
    for found in result.regions:
        detection = found.detection
        box = relative_box(detection.region, size_px)
        if not rule.ignores(box):
            counted.append(
                RegionObservation(
                    box,
                    detection.mean_probability,
                    found.doubted,
                    detection.silent_above,
                    box_px=astuple(found.box),
                    damaged=damaged,
                    area_fraction=detection.area_fraction,
                )
            )
        if len(counted) == COUNTED_REGIONS_MAX:
            break
    return counted


def relative_box(region: Region, size_px: int) -> RelativeBox:
    """A region's box in fractions of the square that it was found on, and so of the frame."""
    right, bottom = region.left + region.width, region.top + region.height
    return region.left / size_px, region.top / size_px, right / size_px, bottom / size_px
