"""What is known of one camera, and what a frame does to it."""

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final, NamedTuple

from models.drift import Histogram
from service.cameras.alarm import COUNTED_REGIONS_MAX, Acknowledgement, AlarmState, AlarmUpdate, CameraAlarm
from service.cameras.clock import Arrival
from service.cameras.evidence import AlarmPolicy, BoxPx, RelativeBox
from service.cameras.observation import FrameObservation, RecentFrame, region_observations, relative_box
from service.cameras.persistence import RegionHistory
from service.cameras.pictures.health import (
    CameraHealth,
    DriftMonitor,
    FreezeDetector,
    PanDetector,
    PastCounts,
    quality_flags,
)
from service.cameras.pictures.scenes import NEW_AFTER, SceneTracker, view_edges, was_found
from service.cameras.rules import Rules
from service.cameras.storage.arrays import at_most
from service.pipeline.detections import REGIONS_MAX, Assessment, SmokeRegion
from service.runtime.model import ModelInfo

_RECENT_FRAMES: Final = 50
GONE_S: Final = 86_400.0
"""What sends nothing for longer is forgotten: a camera, or a view of one."""
VIEWS_MAX: Final = 16
"""Most views of a camera that are remembered."""


@dataclass(slots=True)
class CameraView:
    """What is known of a view of a camera: its alarm, when its last frame came, where smoke counted in it, if it stands still.

    `boxes` are fractions of the frame, `boxes_px` the same in pixels; see `RegionObservation`. `area_fraction` is their smoke over the
    frame's pixels.
    """

    alarm: CameraAlarm = field(default_factory=CameraAlarm)
    seen_s: float = 0.0
    boxes: tuple[RelativeBox, ...] = ()
    boxes_px: tuple[BoxPx, ...] = ()
    area_fraction: float = 0.0
    history: RegionHistory = field(default_factory=RegionHistory)
    freeze: FreezeDetector = field(default_factory=FreezeDetector)

    def resume(self, left_s: float) -> None:
        """The camera looks here again after it looked elsewhere until then, by its clock: that time is as if it had not been."""
        away_s = left_s - self.alarm.newest_s
        if math.isfinite(away_s) and away_s > 0:
            self.alarm.resume(away_s)
            self.history.shift(away_s)


class FrameEffect(NamedTuple):
    """What a frame did to its camera: the state before it, the view that it shows, what became of that view's alarm, persistence."""

    before: AlarmState
    view: str
    update: AlarmUpdate
    persistence: tuple[float, ...]


@dataclass(slots=True)
class Camera:
    """What is known of one camera.

    A camera that turns to presets names the `view` of each frame, and each has an alarm of its own; frames that name none are of the
    view "", or of one that was found from the pictures (see `scenes`). The camera's alarm is that of the view that is most urgent.

    Attributes:
        id, label: Its name, and that in the metrics.
        views: Its views by name.
        showing: The view of its last frame.
        view_changed, view_changed_s: Whether that was another than before; when a frame last came of which that was so.
        seen_s: When its last frame came, or it was restored after a restart.
        last_frame_s: When its last frame came, before a restart or since; None before the first.
        frames: Frames answered since it is known.
        assessment, health, model: Of the last frame; the model is the one that answered it.
        regions: The largest regions of the last frame that had any.
        persistence: For how many seconds there had been smoke at their places; empty if that frame did not count.
        threshold: That of the last frame.
        crowded: Whether the last frame named one view more than are remembered.
        clock_wrong: Whether the stamp of the last frame that counted could not be relied on.
        scenes, pan, drift: What its frames are held against: its views as found, its turning without a word, its own past.
        recent: Its last frames.
        version: How often it was changed in a store that several share.
    """

    id: str
    label: str
    views: dict[str, CameraView] = field(default_factory=lambda: {"": CameraView()})
    showing: str = ""
    view_changed: bool = False
    view_changed_s: float | None = None
    seen_s: float = 0.0
    last_frame_s: float | None = None
    frames: int = 0
    assessment: Assessment | None = None
    model: ModelInfo | None = None
    health: CameraHealth = field(default_factory=lambda: CameraHealth(frozenset(), {}, 0.0))
    regions: tuple[SmokeRegion, ...] = ()
    persistence: tuple[float, ...] = ()
    threshold: float | None = None
    clock_wrong: bool = False
    scenes: SceneTracker = field(default_factory=SceneTracker)
    crowded: bool = False
    pan: PanDetector = field(default_factory=PanDetector)
    drift: DriftMonitor = field(default_factory=DriftMonitor)
    recent: Annotated[deque[RecentFrame], at_most(_RECENT_FRAMES)] = field(
        default_factory=lambda: deque(maxlen=_RECENT_FRAMES)
    )
    version: int = 0

    @property
    def leading(self) -> str:
        """The view that is most urgent."""
        return self.most_urgent(self.views)

    def most_urgent(self, names: Iterable[str]) -> str:
        """Of some views the most urgent one; of several the one with the most evidence, then the newest."""

        def order(name: str) -> tuple[int, float, float]:
            alarm = self.views[name].alarm
            return alarm.state.urgency, alarm.score, alarm.newest_s

        return max(names, key=order)

    @property
    def alarm(self) -> CameraAlarm:
        """The camera's alarm: that of the leading view."""
        return self.views[self.leading].alarm

    def observe(self, frame: FrameObservation, rules: Rules, reference: Mapping[str, Histogram]) -> FrameEffect:
        """Take a frame in, held against the release of the model that answered it. Writes to the camera alone."""
        before, name = self.alarm.state, self._turn(frame)
        rule, view = rules.of(self.id, frame.view), self.views[name]
        regions = region_observations(frame.result, frame.size_px, rule, damaged=frame.damaged)
        view.boxes, view.boxes_px = tuple(seen.box for seen in regions), tuple(seen.box_px for seen in regions)
        view.area_fraction = sum(seen.area_fraction for seen in regions)
        policy = self._paced(rule.policy, frame.view)
        update = view.alarm.observe(frame.stamp, regions, policy)
        persistence = _persistence_of(frame, view, update, policy)
        if update.arrival is not Arrival.DUPLICATE:
            self._take(frame, view, update, reference, persistence)
        return FrameEffect(before, name, update, persistence)

    def _turn(self, frame: FrameObservation) -> str:
        """The name of the view that a frame shows: the one that it names, or else the one that its picture tells.

        A view comes back as it was when the camera turned away; a new one begins with the frames that made it one.
        """
        told = not frame.view and not quality_flags(frame.stats) and self.scenes.take(view_edges(frame.stats.thumbnail))
        wanted, before = frame.view or self.scenes.showing, self.views.get(self.showing)
        new, name = wanted not in self.views, self._view(wanted)
        view = self.views[name]
        if told and before is not None and view is not before:
            if new:
                view.alarm = before.alarm.hand_over(NEW_AFTER - 1)
            else:
                view.resume(before.alarm.newest_s)
        self.view_changed = self.frames > 0 and name != self.showing
        self.showing = name
        if self.view_changed:
            self.view_changed_s = frame.stamp.arrived_s
        return name

    def _view(self, name: str) -> str:
        """The name under which a view is remembered: its own, or "" where there are too many and none of them is clear."""
        self.crowded = name not in self.views and len(self.views) > VIEWS_MAX
        if self.crowded:
            clear = [n for n, view in self.views.items() if n and view.alarm.state is AlarmState.CLEAR]
            if not clear:
                return ""
            del self.views[min(clear, key=lambda n: self.views[n].seen_s)]
        self.views.setdefault(name, CameraView())
        return name

    def gone(self, now_s: float) -> bool:
        """Whether it has sent nothing for a day."""
        return now_s - self.seen_s > GONE_S

    def silent_views(self, now_s: float) -> list[str]:
        """The views that have sent nothing for a day, or all of a camera that is gone; the one without a name unless it is clear."""
        until_s = now_s if self.gone(now_s) else now_s - GONE_S
        silent = (name for name, view in self.views.items() if view.seen_s < until_s)
        return [name for name in silent if name or self.views[""].alarm.state is not AlarmState.CLEAR]

    def forget_silent(self, now_s: float) -> tuple[AlarmState, str | None]:
        """Forget those views; the one without a name begins anew. Returns the camera's state before, and the id of its alarm."""
        before = self.alarm
        for name in self.silent_views(now_s):
            if name:
                del self.views[name]
            else:
                self.views[""] = CameraView(CameraAlarm(since_s=now_s))
        return before.state, before.id

    def clock_set(self, seconds: float) -> None:
        """Move all times that are remembered by this machine's clock, which was set by so much."""
        self.seen_s += seconds
        if self.last_frame_s is not None:
            self.last_frame_s += seconds
        for view in self.views.values():
            view.seen_s += seconds
            view.alarm.counted_s += seconds

    def acknowledge(self, by: str, now_s: float) -> list[str]:
        """Somebody has taken on its alarms; returns the views of those that nobody had: the first to do so stays."""
        alarms = {name: view.alarm for name, view in self.views.items()}
        new = [n for n, alarm in alarms.items() if alarm.state is AlarmState.ALARM and alarm.acknowledged is None]
        for name in new:
            alarms[name].acknowledged = Acknowledgement(by, now_s)
        return new

    def _paced(self, policy: AlarmPolicy, view: str) -> AlarmPolicy:
        """A policy for a view: a camera that turns to n presets shows each n times as rarely, so its window is n times as long."""
        presets = sum(not was_found(name) for name in self.views) if view else 1
        return policy.model_copy(update={"window_s": presets * policy.window_s}) if presets > 1 else policy

    def _take(
        self,
        frame: FrameObservation,
        view: CameraView,
        update: AlarmUpdate,
        reference: Mapping[str, Histogram],
        persistence: tuple[float, ...],
    ) -> None:
        """Take in what a frame says of its camera beside the alarm of its view: health, drift, recent findings."""
        regions = frame.result.regions
        self.seen_s = self.last_frame_s = view.seen_s = frame.stamp.arrived_s
        self.frames += 1
        self.assessment, self.model = frame.result.assessment, frame.model
        self.threshold = frame.threshold
        if regions:
            self.regions, self.persistence = regions[:COUNTED_REGIONS_MAX], persistence[:COUNTED_REGIONS_MAX]
        self.recent.append(RecentFrame.of(frame))
        found, doubted = sum(seen.regions for seen in self.recent), sum(seen.doubted for seen in self.recent)
        drift = self.drift.take(frame.drifting, reference, frame.stamp.arrived_s)
        self.health = CameraHealth(self._flags(frame, view, update), drift, doubted / found if found else 0.0)

    def _flags(self, frame: FrameObservation, view: CameraView, update: AlarmUpdate) -> frozenset[str]:
        """What is wrong with the frame, and with the camera after it."""
        if update.arrival is not Arrival.LATE:
            self.clock_wrong = update.clock_wrong
        novelty = frame.result.novelty
        told = {
            "frozen": view.freeze.frozen(frame.stats),
            "damaged": frame.damaged,
            "clock": self.clock_wrong,
            "panning": self.crowded or (not frame.view and self.pan.panning(frame.stats)),
            "unfamiliar": novelty is not None and novelty.unfamiliar,
        }
        return quality_flags(frame.stats) | {flag for flag, is_so in told.items() if is_so}


class KeptCamera(NamedTuple):
    """What outlives a restart of a camera: its alarms by view, when its last frame came, what its frames were like."""

    views: Mapping[str, CameraAlarm]
    last_frame_s: float | None = None
    past: Mapping[str, PastCounts] = {}


def _persistence_of(
    frame: FrameObservation, view: CameraView, update: AlarmUpdate, policy: AlarmPolicy
) -> tuple[float, ...]:
    """Take the regions that a reply lists into a view's history; returns each one's persistence in seconds, if the frame counts."""
    if not update.arrival.counts:
        return ()
    listed = (found.detection.region for found in frame.result.regions[:REGIONS_MAX])
    boxes = [relative_box(region, frame.size_px) for region in listed]
    return view.history.take(boxes, view.alarm.newest_s, policy, update.shift_s)
