"""What is told of a camera's alarm: in a reply to one of its frames, and to those who want to know of every change."""

from typing import NamedTuple, Self

from service.cameras.alarm import Acknowledgement, AlarmState, CameraAlarm
from service.cameras.camera import Camera
from service.cameras.clock import Arrival
from service.cameras.evidence import BoxPx, RelativeBox


class AlarmStatus(NamedTuple):
    """What a reply says of its camera's alarm; see `CameraAlarm`. `since_s` is None until a first frame was counted.

    `id` is that of the present alarm, None while there is none. `persistence` says for how many seconds there has been smoke at the
    place of each of the frame's regions that a reply lists, if the frame counts. `view` is the view that the frame shows, and
    `view_changed` says whether that is another than before.
    """

    state: AlarmState
    since_s: float | None
    score: float
    frames: int
    arrival: Arrival
    restored: bool
    id: str | None = None
    persistence: tuple[float, ...] = ()
    view: str = ""
    view_changed: bool = False

    @classmethod
    def unknown(cls) -> Self:
        """The status where the store that holds the camera's state cannot be reached."""
        return cls(AlarmState.UNKNOWN, None, 0.0, 0, Arrival.UNKNOWN, restored=False)

    @classmethod
    def of(cls, alarm: CameraAlarm, arrival: Arrival = Arrival.COUNTED, persistence: tuple[float, ...] = ()) -> Self:
        """From the alarm after a frame that arrived like this, on which smoke has been there for so long."""
        return cls(
            alarm.state,
            alarm.since_s or None,
            alarm.score,
            alarm.frames,
            arrival,
            restored=alarm.restored,
            id=alarm.id if alarm.state is AlarmState.ALARM else None,
            persistence=persistence,
        )


class AlarmTransition(NamedTuple):
    """A camera went from one state to another, raised one more alarm, or somebody acknowledged its alarm.

    `view` says in which of its views, where it has any; `alarm_id` is that of the alarm that began or goes on, or else ended, None
    where no alarm did.
    """

    camera_id: str
    before: AlarmState
    after: AlarmState
    since_s: float
    score: float
    frames: int
    boxes: tuple[RelativeBox, ...]
    boxes_px: tuple[BoxPx, ...] = ()
    view: str | None = None
    alarm_id: str | None = None
    acknowledged: Acknowledgement | None = None

    @classmethod
    def of(cls, camera: Camera, before: AlarmState, name: str, alarm_id: str | None) -> Self:
        """From a camera whose view of that name changed; the id is of the alarm that changed, should one have begun or ended."""
        view = camera.views[name]
        alarm = view.alarm
        return cls(
            camera.id,
            before,
            alarm.state,
            alarm.since_s,
            alarm.score,
            alarm.frames,
            view.boxes,
            view.boxes_px,
            view=name or None,
            alarm_id=alarm_id if AlarmState.ALARM in (before, alarm.state) else None,
            acknowledged=alarm.acknowledged,
        )
