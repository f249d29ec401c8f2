"""The query of `POST /segment`: what may be asked, checked in words."""

from datetime import datetime
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from models.tiles import VIEWS, Tiles
from service.cameras.camera import CAMERA_ID
from service.errors import ParameterInvalid
from service.pipeline.options import DEFAULT_OUTPUTS, OUTPUTS, Encoding, Resolution, SegmentOptions, parse_outputs
from service.timestamps import check_instant

_ONE_OF: Final = "(" + "|".join(OUTPUTS) + ")"


def _check_outputs(text: str) -> str:
    try:
        parse_outputs(text)
    except ParameterInvalid as error:
        raise ValueError(str(error)) from None
    return text


class SegmentQuery(BaseModel):
    """The query of `POST /segment`; an unknown parameter is refused rather than ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    camera_id: str | None = Field(None, pattern=CAMERA_ID, description="Which camera; repeated in the reply.")
    captured_at: Annotated[str, AfterValidator(check_instant)] | None = Field(
        None,
        max_length=40,
        description="When the frame was taken (RFC 3339).",
        json_schema_extra={"format": "date-time"},
    )
    outputs: Annotated[str, AfterValidator(_check_outputs)] = Field(
        DEFAULT_OUTPUTS,
        max_length=256,
        description=f"Comma list of {', '.join(OUTPUTS)}; empty for the numbers alone.",
        json_schema_extra={"pattern": f"^({_ONE_OF}(,{_ONE_OF})*)?$"},
    )
    resolution: Resolution = Field(
        "model", description="Maps at the model's square, or at the frame's width and height."
    )
    encoding: Encoding = Field(
        "png",
        description="Maps as 8-bit PNG files on a fixed scale, or as .npz files of the model's own floats, four bytes a pixel. "
        "`npz` only with resolution `model`.",
    )
    threshold: float | None = Field(
        None, gt=0, lt=1, description="Probability from which on a pixel is smoke; the one in force by default."
    )

    tiles: Tiles | None = Field(
        None,
        description="Look at four overlapping tiles beside the whole frame, for smoke too small for the model's square. "
        f"Counts as {VIEWS} frames in every limit; of no effect on a frame that the square does not shrink.",
    )
    latest: bool = Field(
        False,
        description="Only the camera's newest frame counts: it replaces an older one that still waits for the model, "
        "whose caller gets 409. Needs camera_id.",
    )

    @model_validator(mode="after")
    def _latest_of_whom(self) -> Self:
        if self.latest and self.camera_id is None:
            raise ValueError("found latest without camera_id, expected both")
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
            parse_outputs(self.outputs), self.resolution, self.threshold, self.tiles, self.encoding, false_alarm_rate
        )
