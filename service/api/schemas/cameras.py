"""What is said of a camera over HTTP: its alarm in each reply, and all that is known of it under /cameras."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from service.api.schemas.notifications import AcknowledgementBody
from service.api.schemas.result import MeanUncertaintyBody, RegionBody
from service.cameras.alarm import ALARM_ID, AlarmState
from service.cameras.alarm_status import AlarmStatus
from service.cameras.camera import Camera
from service.cameras.clock import Arrival
from service.cameras.observation import RecentFrame
from service.pipeline.detections import Assessment
from service.timestamps import instant, rfc3339

_Text = Annotated[str, Field(max_length=64)]


class AlarmBody(BaseModel):
    """The alarm of the frame's camera, after this frame."""

    state: AlarmState = Field(
        description="`suspected`: smoke, not yet for long. `review`: smoke that stays, but in damaged files, or doubted where a rule "
        "lets that weigh less. `unknown`: the service does not reach what keeps the states of its cameras (SMOKE_REDIS_URL); the frame "
        "was answered, and will not count."
    )
    since: str | None = Field(
        description="When the state began, by the camera's clock; null if it is the first.",
        json_schema_extra={"format": "date-time"},
    )
    score: float = Field(description="Weighed evidence over what an alarm takes: raised from 1 on.", ge=0)
    frames: int = Field(description="Frames of the window with smoke at that place.", ge=0)
    restored: bool = Field(description="The state is from before a restart and not yet confirmed by new frames.")
    id: str | None = Field(description="Of the alarm, under GET /alarms/ID; null in any other state.")

    @classmethod
    def of(cls, alarm: AlarmStatus) -> Self:
        """From the alarm after a frame."""
        return cls(
            id=alarm.id,
            state=alarm.state,
            since=instant(alarm.since_s),
            score=round(alarm.score, 6),
            frames=alarm.frames,
            restored=alarm.restored,
        )


class FrameAlarmBody(AlarmBody):
    """The same, and whether the frame counted."""

    arrival: Arrival = Field(
        description="`counted`; `ahead`: stamped over a minute after it came, so it counts as taken when it came. Of no account are "
        "`late` (older than the newest) and `duplicate` (the same bytes under the same captured_at); `unknown` as the state."
    )
    view: str | None = Field(
        description="The view that the frame shows: as it says, or as told from the picture (`auto-2`, `auto-3`); null for the first."
    )
    view_changed: bool = Field(
        description="The frame shows another view than the one before: the camera was moved or turned."
    )

    @classmethod
    def after(cls, alarm: AlarmStatus) -> Self:
        """From the alarm after a frame."""
        told = AlarmBody.of(alarm).model_dump()
        return cls(**told, arrival=alarm.arrival, view=alarm.view or None, view_changed=alarm.view_changed)


class CameraBody(BaseModel):
    """One camera."""

    camera_id: str
    label: str = Field(description="Its name in the metrics: its own, or `other`.")
    alarm: AlarmBody = Field(description="Of its most urgent view, where it has several.")
    acknowledged: AcknowledgementBody | None = Field(
        description="By whom that alarm was taken on; null where nobody has."
    )
    views: dict[str, AlarmBody] = Field(
        description="By `view`, where its frames name one or show several (`auto-2`, `auto-3`)."
    )
    view: str | None = Field(description="The view of its last frame; null for the first.")
    view_changed_at: str | None = Field(
        description="When a frame last came that showed another view than the one before; null if none did.",
        json_schema_extra={"format": "date-time"},
    )
    last_frame_at: str | None = Field(
        description="When its last frame came, also where that was before a restart.",
        json_schema_extra={"format": "date-time"},
    )
    frames: int = Field(description="Answered since the start.", ge=0)
    assessment: Assessment | None = Field(description="Of the last frame.")
    regions: list[RegionBody] = Field(description="The largest ones of the last frame that had any.")
    flags: list[str] = Field(
        description="What is wrong with its picture: frozen, dark, overexposed, blurred, fogged, damaged; or with it: clock "
        "(captured_at is over a minute off, repeats itself or was set back), panning (it keeps turning and names no `view`), "
        "unfamiliar (its picture is unlike those that the model knows; that takes nothing from its alarm)."
    )
    drift_psi: dict[str, float] = Field(
        description="Of its last days against its own past; until it has one, against the release's frames."
    )
    suspected_false_alarm_ratio: float = Field(
        description="Doubted regions over all, in the last frames; 0 where the release has no gate.", ge=0, le=1
    )

    @classmethod
    def of(cls, camera: Camera) -> Self:
        """From what is known."""
        alarm, health = camera.alarm, camera.health
        views = {name: AlarmBody.of(AlarmStatus.of(view.alarm)) for name, view in camera.views.items() if name}
        return cls(
            camera_id=camera.id,
            label=camera.label,
            alarm=AlarmBody.of(AlarmStatus.of(alarm)),
            acknowledged=AcknowledgementBody.of(alarm.acknowledged),
            views=views,
            view=camera.showing or None,
            view_changed_at=instant(camera.view_changed_s),
            last_frame_at=instant(camera.last_frame_s),
            frames=camera.frames,
            assessment=camera.assessment,
            regions=RegionBody.each(camera.regions, camera.persistence),
            flags=sorted(health.quality_flags),
            drift_psi={name: round(value, 6) for name, value in health.drift.items()},
            suspected_false_alarm_ratio=health.doubted_share,
        )


class CamerasBody(BaseModel):
    """Every camera that is remembered, alarming ones first."""

    cameras: list[CameraBody]
    cameras_file_error: str | None = Field(
        description="Why SMOKE_CAMERAS_FILE was refused; the older rules are in force."
    )


class FindingsBody(BaseModel):
    """What was found on one frame of a camera; uncertainties are means over the frame."""

    arrived_at: str = Field(json_schema_extra={"format": "date-time"})
    area_fraction: float = Field(description="Smoke pixels over all pixels.", ge=0, le=1)
    uncertainty: MeanUncertaintyBody
    novelty: float | None = Field(
        None, description="How unlike the model's training frames it is; null where the release tells none."
    )

    @classmethod
    def of(cls, frame: RecentFrame) -> Self:
        """From what is remembered of the frame."""
        return cls(
            arrived_at=rfc3339(frame.arrived_s),
            area_fraction=frame.area_fraction,
            uncertainty=MeanUncertaintyBody.of(frame.uncertainty),
            novelty=frame.novelty,
        )


class CameraEventBody(CameraBody):
    """One camera, and what was found on its last frames."""

    findings: list[FindingsBody] = Field(
        description="The oldest first: up to 50 in a reader's first event of the camera, then the newest."
    )

    @classmethod
    def after(cls, camera: Camera, newest: int) -> Self:
        """From what is known, with the findings of so many frames."""
        shown = list(camera.recent)[-newest:] if newest else []
        return cls(**dict(CameraBody.of(camera)), findings=[FindingsBody.of(frame) for frame in shown])


class Feedback(BaseModel):
    """What a person says of an alarm."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    verdict: Literal["true_alarm", "false_alarm"]
    alarm_id: str | None = Field(
        None,
        pattern=ALARM_ID,
        description="Of the alarm; without it that of which the frame `request_id` is kept, or the camera's present or last one.",
    )
    request_id: _Text | None = Field(None, description="Of the frame that it is about.")
    captured_at: _Text | None = Field(None, description="When that frame was taken.")
    note: str = Field("", max_length=500)


class FeedbackBody(BaseModel):
    """That it was counted, and whether there is a file it was written to."""

    camera_id: str
    verdict: Literal["true_alarm", "false_alarm"]
    written: bool = Field(description="Appended to SMOKE_FEEDBACK_FILE.")
    alarm_id: str | None = Field(description="Of the alarm that it was taken to be about; null where there was none.")
