"""The query of `POST /segment`: what may be asked, checked in words."""

from datetime import datetime
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from models.tile_layout import VIEWS, Tiles
from service.errors import ParameterInvalid
from service.pipeline.options import (
    ALL_OUTPUTS,
    DEFAULT_OUTPUTS,
    MapEncoding,
    PictureEncoding,
    Resolution,
    SegmentOptions,
    parse_outputs,
)
from service.timestamps import check_instant
from service.validation import CAMERA_ID

DEADLINE_MAX_MS: Final = 600_000
"""Of the header X-Deadline-Ms."""
_ONE_OF: Final = "(" + "|".join(ALL_OUTPUTS) + ")"
_Outputs = Annotated[str, Field(max_length=256, json_schema_extra={"pattern": f"^({_ONE_OF}(,{_ONE_OF})*)?$"})]


class _NeverNull:
    """For the document: a parameter is there or it is not, but it is never null, whatever its type in Python says."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The schema without that choice."""
        schema = dict(handler(core))
        (plain,) = (choice for choice in schema.pop("anyOf") if choice != {"type": "null"})
        return {**plain, **schema}


NEVER_NULL: Final = _NeverNull()


def _check_outputs(lists: list[str]) -> list[str]:
    try:
        parse_outputs(",".join(filter(None, lists)))
    except ParameterInvalid as error:
        raise ValueError(str(error)) from None
    return lists


class SegmentQuery(BaseModel):
    """The query of `POST /segment`; an unknown parameter is refused rather than ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    camera_id: Annotated[str | None, NEVER_NULL] = Field(
        None, pattern=CAMERA_ID, description="Which camera; repeated in the reply."
    )
    view: Annotated[str | None, NEVER_NULL] = Field(
        None,
        pattern=CAMERA_ID,
        description="What a camera that turns to presets is turned to: smoke is followed in each view on its own. Needs camera_id.",
    )
    captured_at: Annotated[Annotated[str, AfterValidator(check_instant)] | None, NEVER_NULL] = Field(
        None,
        max_length=40,
        description="When the frame was taken (RFC 3339).",
        json_schema_extra={"format": "date-time"},
    )
    outputs: Annotated[list[_Outputs], AfterValidator(_check_outputs)] = Field(
        DEFAULT_OUTPUTS.split(","),
        max_length=16,
        description=f"Comma list of {', '.join(ALL_OUTPUTS)}, or one parameter each; empty for the numbers alone.",
    )
    resolution: Resolution = Field(
        "model", description="Maps at the model's square, or at the frame's width and height."
    )
    encoding: MapEncoding = Field(
        "png",
        description="Maps as 8-bit PNG files on a fixed scale, or as .npz files of the model's own floats, four bytes a pixel. "
        "`npz` only with resolution `model`.",
    )
    overlay_encoding: PictureEncoding = Field(
        "jpeg", description="The overlay as a JPEG, or without loss as a PNG file."
    )
    threshold: Annotated[float | None, NEVER_NULL] = Field(
        None, gt=0, lt=1, description="Probability from which on a pixel is smoke; the one in force by default."
    )

    tiles: Annotated[Tiles | None, NEVER_NULL] = Field(
        None,
        description="Look at four overlapping tiles beside the whole frame, for smoke too small for the model's square. "
        f"Counts as {VIEWS} frames in every limit; of no effect on a frame that the square does not shrink.",
    )
    latest: bool = Field(
        False,
        description="Only the camera's newest frame counts (per view): it replaces an older one that still waits for the model, "
        "whose caller gets 409. Needs camera_id.",
    )

    @model_validator(mode="after")
    def _of_whom(self) -> Self:
        for name, given in (("latest", self.latest), ("view", self.view is not None)):
            if given and self.camera_id is None:
                raise ValueError(f"found {name} without camera_id, expected both")
        return self

    @model_validator(mode="after")
    def _possible_together(self) -> Self:
        try:
            self.options()
        except ParameterInvalid as error:
            raise ValueError(str(error)) from None
        return self

    @property
    def captured_s(self) -> float | None:
        """When the frame was taken, in seconds since 1970; what is older counts as of then."""
        if self.captured_at is None:
            return None
        return max(0.0, datetime.fromisoformat(self.captured_at.upper()).timestamp())

    def options(self, false_alarm_rate: float | None = None) -> SegmentOptions:
        """What is wanted, in the pipeline's words; the rate is what the operator wants of frames for which no threshold is asked."""
        return SegmentOptions(
            parse_outputs(",".join(filter(None, self.outputs))),
            resolution=self.resolution,
            threshold=self.threshold,
            tiles=self.tiles,
            encoding=self.encoding,
            false_alarm_rate=false_alarm_rate,
            overlay_encoding=self.overlay_encoding,
        )
