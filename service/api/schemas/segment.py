"""The bodies of the HTTP interface; every field says its unit and range, and OpenAPI repeats it."""

from typing import TYPE_CHECKING, Any, Literal, Self

import pybase64
from pydantic import BaseModel, Field

from service.api.query import SegmentQuery
from service.api.schemas.cameras import FrameAlarmBody
from service.api.schemas.result import LatencyBody, SegmentResult
from service.cameras.alarm_status import AlarmStatus
from service.pipeline.encode import EncodedMap, Picture
from service.pipeline.options import MapEncoding, PictureEncoding

if TYPE_CHECKING:  # So that a client, which reads bodies and makes none, need not have what decodes pictures.
    from service.pipeline.pipeline import Segmentation


class MapScale(BaseModel):
    """How to read a map. The scale never depends on the frame.

    `png`: a grey 8-bit picture, value = minimum + byte / 255 * (maximum - minimum).
    `npz`: one numpy array (height, width), named as the map, of the values themselves.
    """

    encoding: MapEncoding
    dtype: Literal["uint8", "float32", "bool"] = Field(
        description="Of the file: `uint8` in a PNG; in an .npz `float32`, or `bool` for the mask."
    )
    width: int
    height: int
    minimum: float = Field(description="Lower end of the scale: what byte 0 of a PNG stands for.")
    maximum: float = Field(
        description="Upper end of the scale, ln 2 for an uncertainty, always: what byte 255 of a PNG stands for."
    )
    unit: str = Field(description="`nat`, or `1` for a probability and the mask.")


class MapBody(MapScale):
    """One value a pixel, as a PNG or an .npz file; see `encoding`."""

    data: str = Field(description="The file in base64.", json_schema_extra={"contentEncoding": "base64"})

    @classmethod
    def of(cls, encoded: EncodedMap) -> Self:
        """From an encoded map."""
        return cls(**_scale(encoded), data=_text(encoded.data))


class PictureBody(BaseModel):
    """The frame with the smoke drawn on it, for people, always at the frame's size."""

    encoding: PictureEncoding = "jpeg"
    width: int
    height: int
    data: str = Field(description="The file in base64.", json_schema_extra={"contentEncoding": "base64"})

    @classmethod
    def of(cls, picture: Picture) -> Self:
        """From a drawn picture."""
        return cls(encoding=picture.encoding, width=picture.width, height=picture.height, data=_text(picture.data))


class SegmentResponse(SegmentResult):
    """The answer to `POST /segment`."""

    request_id: str = Field(description="Also in the header X-Request-ID and in the log.")
    camera_id: str | None
    captured_at: str | None = Field(json_schema_extra={"format": "date-time"})
    alarm: FrameAlarmBody | None = Field(
        description="Null without camera_id, and where more cameras than SMOKE_CAMERAS_MAX allows leave no room."
    )
    maps: dict[str, MapBody] = Field(description="By output name, those asked for.")
    overlay: PictureBody | None = Field(None, description="Null unless `overlay` was among the outputs.")

    @classmethod
    def of(
        cls,
        segmentation: "Segmentation",
        latency: LatencyBody,
        request_id: str,
        query: SegmentQuery,
        alarm: AlarmStatus | None = None,
    ) -> Self:
        """From the pipeline's answer."""
        made = segmentation.rendering
        return cls(
            **cls.result_fields(segmentation, latency, alarm.persistence if alarm else ()),
            request_id=request_id,
            camera_id=query.camera_id,
            captured_at=query.captured_at,
            alarm=FrameAlarmBody.after(alarm) if alarm else None,
            maps={name: MapBody.of(encoded) for name, encoded in made.maps.items()},
            overlay=PictureBody.of(made.picture) if made.picture else None,
        )


class MapFile(MapScale):
    """A map that was written beside the report."""

    file: str

    @classmethod
    def of(cls, encoded: EncodedMap, file: str) -> Self:
        """From an encoded map and the name of the file that holds it."""
        return cls(**_scale(encoded), file=file)


class FileReport(SegmentResult):
    """What `smoke-bvm segment` writes for one picture."""

    source: str = Field(description="The picture, as it was named or found.")
    maps: dict[str, MapFile]
    overlay: str | None = Field(description="The overlay's file name.")


def _scale(encoded: EncodedMap) -> dict[str, Any]:
    return {name: getattr(encoded, name) for name in MapScale.model_fields}


def _text(data: bytes) -> str:
    return pybase64.b64encode_as_string(data)
