"""What is sent when a camera's alarm changes, as the document shows it: to a webhook, and to an MQTT broker."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from service.api.schemas.result import BoxBody
from service.cameras.alarm import Acknowledgement, AlarmState
from service.timestamps import rfc3339

_INSTANT: JsonDict = {"format": "date-time"}


class AcknowledgementBody(BaseModel):
    """Who has taken an alarm on."""

    by: str = Field(description="As he named himself, or the name of his key.")
    at: str = Field(json_schema_extra=_INSTANT)

    @classmethod
    def of(cls, acknowledged: Acknowledgement | None) -> Self | None:
        """From what is known of an alarm."""
        return cls(by=acknowledged.by, at=rfc3339(acknowledged.at_s)) if acknowledged else None


class _LinksBody(BaseModel):
    """The alarm that a message tells of, and where to see it; left out where it tells of none."""

    model_config = ConfigDict(extra="forbid")

    alarm_id: str = Field("", description="Of the alarm that began, goes on or ended.")
    alarm_url: str = Field("", description="Of GET /alarms/ID: below SMOKE_PUBLIC_URL, or without it a relative path.")
    picture_url: str = Field("", description="Of its latest picture; only where SMOKE_ALARM_DIR keeps pictures.")
    acknowledged: AcknowledgementBody | None = Field(
        None, description="By whom the alarm was taken on; left out where nobody has."
    )


class WebhookBody(_LinksBody):
    """What happened to which camera."""

    id: str = Field(description="A repeat of the same change has the same one; also in the header webhook-id.")
    camera_id: str
    view: str = Field("", description="In which of its views; left out where the camera names none.")
    before: AlarmState
    after: AlarmState
    since: str = Field(description="When it became so, by the camera's clock.", json_schema_extra=_INSTANT)
    score: float = Field(description="Weighed evidence over what an alarm takes: raised from 1 on.", ge=0)
    frames: int = Field(description="Frames of the window with smoke at that place.", ge=0)
    boxes: list[BoxBody] = Field(description="Where smoke counted on the frame that changed it.")
    sent_at: str = Field(json_schema_extra=_INSTANT)


class MqttStateBody(_LinksBody):
    """How a camera stands."""

    state: AlarmState
    since: str | None = Field(description="When the state began; null if it is the first.", json_schema_extra=_INSTANT)
    score: float = Field(description="Weighed evidence over what an alarm takes: raised from 1 on.", ge=0)
    frames: int = Field(description="Frames of the window with smoke at that place.", ge=0)
