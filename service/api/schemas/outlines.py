"""Smoke as shapes: GeoJSON in pixels of the frame, and COCO run lengths."""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field

from models.outlines import Polygon, Ring
from service.pipeline.outlines.rle import RunLengths

_Position = Annotated[list[int], Field(min_length=2, max_length=2, description="x and y.")]
_LinearRing = Annotated[list[_Position], Field(min_length=5, description="Its first position is its last.")]


class GeometryBody(BaseModel):
    """A region's polygons along the edges of the frame's pixels: the outer ring of each, then its holes."""

    type: Literal["MultiPolygon"] = "MultiPolygon"
    coordinates: list[list[_LinearRing]] = Field(
        description="In pixels of the frame; (0, 0) is its left upper corner, (width, height) its right lower one."
    )


class FeatureProperties(BaseModel):
    """What a polygon belongs to."""

    region: int = Field(description="Place of the region in `regions`, from 0.", ge=0)


class FeatureBody(BaseModel):
    """A region of `regions` and its polygons."""

    type: Literal["Feature"] = "Feature"
    geometry: GeometryBody
    properties: FeatureProperties


class PolygonsBody(BaseModel):
    """The regions as a GeoJSON FeatureCollection, in their order."""

    type: Literal["FeatureCollection"] = "FeatureCollection"
    features: list[FeatureBody]

    @classmethod
    def of(cls, regions: Sequence[Sequence[Polygon]]) -> Self:
        """From the polygons of each region."""
        return cls(
            features=[
                FeatureBody(
                    geometry=GeometryBody(coordinates=[[_closed(ring) for ring in polygon] for polygon in pieces]),
                    properties=FeatureProperties(region=number),
                )
                for number, pieces in enumerate(regions)
            ]
        )


class RunLengthsBody(BaseModel):
    """The mask at the frame's size, regions of any size, as `pycocotools.mask.decode` takes it."""

    size: Annotated[list[int], Field(min_length=2, max_length=2, description="Height and width in pixels.")]
    counts: str = Field(description="Compressed run lengths.")

    @classmethod
    def of(cls, rle: RunLengths) -> Self:
        """From run lengths."""
        return cls(size=[rle.height, rle.width], counts=rle.counts)


def _closed(ring: Ring) -> list[list[int]]:
    corners: list[list[int]] = ring.tolist()
    return [*corners, corners[0]]
