"""What is said of alarms under /alarms: when, where, how strong, what people said of them, and what is kept of their frames."""

from typing import Literal, Self

from pydantic import BaseModel, Field
from pydantic.config import JsonDict

from service.alarms.record import AlarmRecord, Judgement, KeptFrame, Role, Verdict, alarm_path, picture_path
from service.api.schemas.notifications import AcknowledgementBody
from service.timestamps import instant, rfc3339

_INSTANT: JsonDict = {"format": "date-time"}


class KeptFrameBody(BaseModel):
    """A frame of the alarm that is kept, and the paths of its files below the service's address."""

    request_id: str = Field(description="Of the request that it came with.")
    captured_at: str | None = Field(description="When it was taken, if it said so.", json_schema_extra=_INSTANT)
    arrived_at: str = Field(json_schema_extra=_INSTANT)
    score: float = Field(description="Weighed evidence after it over what an alarm takes.", ge=0)
    area_fraction: float = Field(description="Pixels of the smoke that counts over all pixels.", ge=0, le=1)
    frame: str = Field(description="The photograph, a JPEG.")
    overlay: str = Field(description="The same with the smoke's outline, a JPEG.")
    reply: str = Field(description="What `POST /segment` answered, without maps, as JSON.")

    @classmethod
    def of(cls, alarm_id: str, role: Role, kept: KeptFrame) -> Self:
        """From a kept frame."""
        return cls(
            request_id=kept.request_id,
            captured_at=instant(kept.captured_s),
            arrived_at=rfc3339(kept.arrived_s),
            score=round(kept.score, 6),
            area_fraction=kept.area_fraction,
            frame=picture_path(alarm_id, "frame.jpg", role),
            overlay=picture_path(alarm_id, "overlay.jpg", role),
            reply=picture_path(alarm_id, "reply.json", role),
        )


class JudgementBody(BaseModel):
    """What a person said of the alarm last."""

    verdict: Verdict
    at: str = Field(json_schema_extra=_INSTANT)
    note: str

    @classmethod
    def of(cls, judgement: Judgement) -> Self:
        """From what was said."""
        return cls(verdict=judgement.verdict, at=rfc3339(judgement.at_s), note=judgement.note)


class AlarmRecordBody(BaseModel):
    """An alarm of a camera, or of one of its views, from when it was raised until it ended."""

    id: str = Field(
        description="As in `alarm.id` of replies and `alarm_id` of messages. Later alarms sort behind earlier ones."
    )
    camera_id: str
    view: str | None = Field(description="In which of the camera's views; null where it names none.")
    state: Literal["active", "cleared"]
    started_at: str = Field(description="By the camera's clock.", json_schema_extra=_INSTANT)
    cleared_at: str | None = Field(
        description="By the camera's clock; null while it lasts.", json_schema_extra=_INSTANT
    )
    score: float = Field(description="The most evidence of any of its frames, over what an alarm takes.", ge=0)
    area_fraction: float = Field(description="The most smoke of any of its frames, over all pixels.", ge=0, le=1)
    acknowledged: AcknowledgementBody | None = Field(description="By whom it was taken on; null where nobody has.")
    feedback: JudgementBody | None = Field(description="Null until somebody said something.")
    frames: dict[Role, KeptFrameBody] = Field(
        description="Kept frames: the first, the one with the most smoke, the latest; often one has several roles. Empty without "
        "SMOKE_ALARM_DIR, and where none could be written."
    )
    link: str = Field(description="Its path below the service's address.")

    @classmethod
    def of(cls, record: AlarmRecord) -> Self:
        """From what is remembered."""
        return cls(
            id=record.id,
            camera_id=record.camera_id,
            view=record.view or None,
            state="active" if record.cleared_s is None else "cleared",
            started_at=rfc3339(record.started_s),
            cleared_at=instant(record.cleared_s),
            score=round(record.score, 6),
            area_fraction=record.area_fraction,
            acknowledged=AcknowledgementBody.of(record.acknowledged),
            feedback=JudgementBody.of(record.judgement) if record.judgement else None,
            frames={role: KeptFrameBody.of(record.id, role, kept) for role, kept in record.frames.items()},
            link=alarm_path(record.id),
        )


class AlarmsBody(BaseModel):
    """Alarms, the newest first."""

    alarms: list[AlarmRecordBody]
    next: str | None = Field(description="The value of `before` that gives the next page; null on the last one.")
    keeps_pictures: bool = Field(description="Whether SMOKE_ALARM_DIR is set.")
