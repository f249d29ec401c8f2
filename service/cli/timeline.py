"""When alarms came, for a person: a line an alarm, or a line a frame."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from service.cameras.evidence import AlarmPolicy
from service.cameras.replay import ReplayFrame, ReplayStep, watch

_SEEN = {True: "smoke", False: "no smoke", None: "unlabelled"}
_RIGHT = {True: "true", False: "false", None: "nobody looked"}


@dataclass(frozen=True, slots=True)
class WatchedCamera:
    """A camera of a replay: the names of its frames, and what was found in each; None where the frame could not be read."""

    name: str
    files: Sequence[str]
    frames: Sequence[ReplayFrame | None]


@dataclass(frozen=True, slots=True)
class AlarmEntry:
    """An alarm: on which camera and frame, when, and whether it was right; None where nobody looked."""

    camera: str
    frame: str
    at_s: float
    right: bool | None


def alarms_of(cameras: Sequence[WatchedCamera], interval_s: float, policy: AlarmPolicy) -> list[AlarmEntry]:
    """The alarms that the service would have raised, in order."""
    return [
        AlarmEntry(camera.name, camera.files[step.number], step.number * interval_s, step.right)
        for camera in cameras
        for step in watch(camera.frames, interval_s, policy)
        if step.raised
    ]


def alarm_lines(alarms: Sequence[AlarmEntry]) -> Iterator[str]:
    """When each came."""
    for alarm in alarms:
        yield f"alarm  {_clock(alarm.at_s)}  {alarm.camera}  {alarm.frame}  {_RIGHT[alarm.right]}"


def timeline(camera: WatchedCamera, interval_s: float, policy: AlarmPolicy) -> Iterator[str]:
    """What the service would have said of each frame."""
    steps = {step.number: step for step in watch(camera.frames, interval_s, policy)}
    for number, (file, frame) in enumerate(zip(camera.files, camera.frames, strict=True)):
        words = _told(frame, steps[number]) if frame else "unreadable"
        yield f"{_clock(number * interval_s)}  {camera.name}  {file}  {words}"


def _told(frame: ReplayFrame, step: ReplayStep) -> str:
    raised = f"  raised, {_RIGHT[step.right]}" if step.raised else ""
    return f"{_SEEN[frame.smoke]}  regions {len(frame.regions)}  score {step.score:.2f}  {step.state}{raised}"


def _clock(seconds: float) -> str:
    """Hours, minutes and seconds since the first frame."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
