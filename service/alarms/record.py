"""What is remembered of an alarm, and of the frames of it that are kept."""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.cameras.alarm import ALARM_ID, Acknowledgement
from service.runtime.model import ModelInfo
from service.validation import CAMERA_ID

Role = Literal["first", "strongest", "latest"]
FIRST: Final[Role] = "first"
STRONGEST: Final[Role] = "strongest"
LATEST: Final[Role] = "latest"
Verdict = Literal["true_alarm", "false_alarm"]
KeptFile = Literal["frame.jpg", "overlay.jpg", "reply.json"]
"""What is kept of a frame: itself, with the outline of its smoke drawn on it, and what the service said of it."""


def alarm_path(alarm_id: str) -> str:
    """Where an alarm is shown, below the service's own address."""
    return f"alarms/{alarm_id}"


def picture_path(alarm_id: str, name: KeptFile, role: Role) -> str:
    """Where what is kept of a frame is shown, below the service's own address."""
    return f"{alarm_path(alarm_id)}/{name}?which={role}"


class KeptFrame(BaseModel):
    """A frame of an alarm that is on disk.

    Attributes:
        number: Its files' names begin with it.
        captured_s, arrived_s: When it was taken, if it says so, and came.
        score, area_fraction: The alarm's evidence after it, and the smoke that counts over the frame's pixels.
        size_bytes: Of its files.
    """

    model_config = ConfigDict(frozen=True)

    number: int = Field(ge=0)
    request_id: str
    captured_s: float | None
    arrived_s: float
    score: float
    area_fraction: float
    size_bytes: int = Field(ge=0)


class Judgement(BaseModel):
    """What a person said of an alarm last, and when."""

    model_config = ConfigDict(frozen=True)

    verdict: Verdict
    at_s: float
    note: str = ""


class AlarmRecord(BaseModel):
    """An alarm of a view of a camera.

    Attributes:
        view: "" where the camera names none.
        started_s, cleared_s: When it was raised and when it ended, by the camera's clock; None while it lasts.
        score, area_fraction: The most that any of its frames had.
        silent_above: See `CameraAlarm`.
        threshold, model: Of its last frame.
        frames: The kept frames by role; one may have several.
        judgement: None until a person said something.
        acknowledged: None until somebody took it on.
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    version: Literal[1] = 1
    id: Annotated[str, Field(pattern=ALARM_ID)]
    camera_id: Annotated[str, Field(pattern=CAMERA_ID)]
    view: str = ""
    started_s: float
    cleared_s: float | None = None
    score: float = 0.0
    area_fraction: float = 0.0
    silent_above: float = 0.0
    threshold: float | None = None
    model: ModelInfo | None = None
    frames: dict[Role, KeptFrame] = Field(default_factory=dict)
    judgement: Judgement | None = None
    acknowledged: Acknowledgement | None = None

    @property
    def place(self) -> tuple[str, str]:
        """Camera and view: each has one alarm at a time."""
        return self.camera_id, self.view

    @property
    def size_bytes(self) -> int:
        """Of its frames on disk, each counted once."""
        return sum({frame.number: frame.size_bytes for frame in self.frames.values()}.values())

    def with_frame(self, frame: KeptFrame) -> "AlarmRecord":
        """The same with one more frame: the latest, the first if there was none, the strongest if none showed more smoke."""
        strongest = self.frames.get(STRONGEST)
        roles = {LATEST: frame}
        if FIRST not in self.frames:
            roles[FIRST] = frame
        if strongest is None or frame.area_fraction > strongest.area_fraction:
            roles[STRONGEST] = frame
        return self.model_copy(update={"frames": self.frames | roles})
