"""What a segmentation says, as fields of a body; every field says its unit and range, and OpenAPI repeats it."""

from collections.abc import Sequence
from dataclasses import asdict
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, Field

from models.tile_layout import Tiles
from service.api.schemas.model import ModelBody
from service.api.schemas.outlines import PolygonsBody, RunLengthsBody
from service.pipeline.detections import (
    REGIONS_MAX,
    Assessment,
    FrameNovelty,
    MeanUncertainty,
    SmokeRegion,
    SmokeStats,
)

if TYPE_CHECKING:  # So that a client, which reads bodies and makes none, need not have what decodes pictures.
    from service.pipeline.pipeline import Segmentation, Stages


class FrameBody(BaseModel):
    """The frame's size in pixels as a person sees it, after EXIF rotation."""

    width: int
    height: int


class SmokeBody(BaseModel):
    """What was found, at the model's size."""

    detected: bool = Field(description="There is a connected region of at least the model's `minimum_region`.")
    area_fraction: float = Field(description="Smoke pixels over all pixels, regions of any size.", ge=0, le=1)
    max_probability: float = Field(description="Highest probability of any pixel.", ge=0, le=1)
    region_count: int = Field(description="Regions found; `regions` lists the largest of them.", ge=0)

    @classmethod
    def of(cls, smoke: SmokeStats, region_count: int) -> Self:
        """From what was found, and the number of regions."""
        return cls(**asdict(smoke), region_count=region_count)


class BoxBody(BaseModel):
    """A rectangle in pixels of the frame: its left upper corner, width and height."""

    x: int = Field(ge=0)
    y: int = Field(ge=0)
    width: int = Field(ge=1)
    height: int = Field(ge=1)


class RegionBody(BaseModel):
    """A connected region of smoke: where it lies, and the means of the maps over its pixels."""

    bbox: BoxBody
    area_px: int = Field(description="In pixels of the frame.", ge=1)
    mean_probability: float = Field(ge=0, le=1)
    total: float = Field(description="In nats, as are its two parts.")
    aleatoric: float
    epistemic: float
    doubted: bool = Field(
        description="Suspected false alarm: the model's gate doubts it. A hint, no verdict. False where the release has no gate."
    )
    persistence_s: float | None = Field(
        None,
        description="For how long there has been smoke at its place in the camera's view, 0 for a first frame. Null for a frame of no "
        "camera or that does not count (`arrival`).",
        ge=0,
    )

    @classmethod
    def of(cls, region: SmokeRegion, persistence_s: float | None = None) -> Self:
        """From a region of the frame's result, and how long it has been there."""
        found = region.detection
        return cls(
            bbox=BoxBody.model_validate(region.box, from_attributes=True),
            area_px=region.area_px,
            mean_probability=found.mean_probability,
            total=found.total,
            aleatoric=found.aleatoric,
            epistemic=found.epistemic,
            doubted=region.doubted,
            persistence_s=None if persistence_s is None else round(persistence_s, 3),
        )

    @classmethod
    def each(cls, regions: Sequence[SmokeRegion], persistence: Sequence[float]) -> list[Self]:
        """From several, and how long each has been there, where that is known."""
        return [cls.of(region, seconds) for region, seconds in zip_longest(regions, persistence)]


class MeanUncertaintyBody(BaseModel):
    """Mean uncertainties in nats, each in [0, ln 2]; total = aleatoric + epistemic."""

    total: float
    aleatoric: float
    epistemic: float

    @classmethod
    def of(cls, uncertainty: MeanUncertainty) -> Self:
        """From the means."""
        return cls.model_validate(uncertainty, from_attributes=True)


class UncertaintyBody(BaseModel):
    """Mean uncertainties, at the model's size."""

    frame: MeanUncertaintyBody = Field(description="Over every pixel of the frame.")
    smoke: MeanUncertaintyBody | None = Field(description="Over the smoke pixels; null when no pixel is smoke.")


class NoveltyBody(BaseModel):
    """How unlike the frames that the model was trained on the frame as a whole is."""

    score: float = Field(
        description="Squared Mahalanobis distance of the frame's mean deep features to those of the training frames, in units of "
        "its mean over those: about 1 for frames like them."
    )
    limit: float = Field(description="Above this score a frame is unlike nearly all that the model was measured on.")
    unfamiliar: bool = Field(description="The score is above the limit: believe neither smoke nor its absence much.")

    @classmethod
    def of(cls, novelty: FrameNovelty) -> Self:
        """From the frame's novelty."""
        return cls.model_validate(novelty, from_attributes=True)


class LatencyBody(BaseModel):
    """How long each step took, in milliseconds; decode and encode include the wait for a free thread."""

    read: float
    decode: float
    queue: float
    inference: float
    encode: float
    total: float

    @classmethod
    def of(cls, stages: "Stages", read_s: float, total_s: float) -> Self:
        """From seconds."""
        seconds = {
            "read": read_s,
            "decode": stages.decode_s,
            "queue": stages.queue_s,
            "inference": stages.inference_s,
            "encode": stages.encode_s,
            "total": total_s,
        }
        return cls(**{stage: round(1000 * value, 3) for stage, value in seconds.items()})


class CloseUpsBody(BaseModel):
    """Windows around small smoke that the whole frame shows."""

    looked: int = Field(
        description="Looked at from nearby: the maps are the close-up's, unless the window cuts its smoke.", ge=0
    )
    skipped: int = Field(
        description="Not looked at, for that failed or would have been late: the maps are the whole frame's.", ge=0
    )


class SegmentResult(BaseModel):
    """What a segmentation says, whether over HTTP or on the command line."""

    model: ModelBody
    frame: FrameBody
    damaged: bool = Field(
        description="The file has a hole, overwritten bytes or no last marker: some pixels may not be the camera's."
    )
    tiles: Tiles | None = Field(
        description="Tiles that were looked at beside the whole frame; null: the whole frame alone."
    )
    close_ups: CloseUpsBody | None = Field(
        None,
        description="Windows around small smoke, looked at from nearby. Null where the model's release has none.",
    )
    assessment: Assessment = Field(description="`clear`: no region. `smoke`: at least one, doubted or not.")
    smoke: SmokeBody
    regions: list[RegionBody] = Field(description=f"Largest first, at most {REGIONS_MAX}.", max_length=REGIONS_MAX)
    uncertainty: UncertaintyBody
    novelty: NoveltyBody | None = Field(None, description="Null where the model's release tells none.")
    latency_ms: LatencyBody
    polygons: PolygonsBody | None = Field(None, description="Null unless `polygons` was among the outputs.")
    rle: RunLengthsBody | None = Field(None, description="Null unless `rle` was among the outputs.")

    @staticmethod
    def result_fields(
        segmentation: "Segmentation", latency: LatencyBody, persistence: Sequence[float] = ()
    ) -> dict[str, Any]:
        """The fields that every reply shares; for how long the regions have been there, where that is known."""
        result, made = segmentation.result, segmentation.rendering
        return {
            "model": ModelBody.of(segmentation.identity, segmentation.threshold),
            "frame": FrameBody.model_validate(segmentation.frame, from_attributes=True),
            "damaged": segmentation.damaged,
            "tiles": segmentation.tiles,
            "close_ups": segmentation.close_ups and CloseUpsBody(**segmentation.close_ups._asdict()),
            "assessment": result.assessment,
            "smoke": SmokeBody.of(result.smoke, len(result.regions)),
            "regions": RegionBody.each(result.regions[:REGIONS_MAX], persistence),
            "uncertainty": UncertaintyBody(
                frame=MeanUncertaintyBody.of(result.frame_uncertainty),
                smoke=MeanUncertaintyBody.of(result.smoke_uncertainty) if result.smoke_uncertainty else None,
            ),
            "novelty": NoveltyBody.of(result.novelty) if result.novelty else None,
            "latency_ms": latency,
            "polygons": None if made.polygons is None else PolygonsBody.of(made.polygons),
            "rle": RunLengthsBody.of(made.rle) if made.rle else None,
        }
