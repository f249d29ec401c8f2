"""What Prometheus sees of each camera. `Cameras` decides which have a label of their own; the rest are `other`."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from service.cameras.alarm import AlarmState
from service.cameras.clock import Arrival, Stamp
from service.cameras.pictures.health import FLAGS, CameraHealth
from service.pipeline.detections import FrameResult, MeanUncertainty

OTHER: Final = "other"
ROOM: Final = "room"
SILENCE: Final = "silence"
"""Why a camera was evicted: another needed its place, or it sent nothing for a day."""
_NATS: Final = tuple(float(f"{10.0**power:.2g}") for power in (-6, -5, -4.5, -4, -3.5, -3, -2.5, -2, -1.5, -1, -0.5))
"""A frame without smoke has 1e-8, one with smoke 2e-5 to 7e-4, the smoke itself 5e-3 to 3e-2 (release 2.0.0, real cameras)."""
_NOVELTY: Final = (0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0)
_KINDS: Final = ("total", "aleatoric", "epistemic")
_Instrument = TypeVar("_Instrument", bound=MetricWrapperBase)


def from_zero(counter: Counter, values: Iterable[str]) -> Counter:
    """The counter with a series for each value of its label from now on: one that is first seen at 1 has no rate."""
    for value in values:
        counter.labels(value)
    return counter


class CameraMetrics:
    """The instruments with the label `camera`, and what is counted of those that have none."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._of_cameras: list[MetricWrapperBase] = []
        counter, gauge = partial(self._each, Counter), partial(self._each, Gauge)
        histogram = partial(self._each, Histogram)
        self._frames = counter("smoke_camera_frames", "Frames answered.")
        self._refusals = counter("smoke_camera_refusals", "Frames not answered, by reason.", "reason")
        self._seen = gauge("smoke_camera_last_frame_timestamp_seconds", "When the last frame came.")
        self._arrivals = counter("smoke_camera_arrivals", "Frames by whether they count.", "arrival")
        self._skew = gauge("smoke_camera_clock_skew_seconds", "Last frame's stamp minus its arrival.")
        self._area = gauge("smoke_camera_smoke_area_ratio", "Smoke pixels over all pixels, last frame.")
        mean, known = "Mean uncertainty of a frame.", "Novelty of a frame, where the release tells it."
        self._nats = histogram("smoke_camera_uncertainty_nats", mean, "kind", "region", buckets=_NATS)
        self._novelty = histogram("smoke_camera_novelty", known, buckets=_NOVELTY)
        self._assessments = counter("smoke_camera_assessments", "Frames by assessment.", "assessment")
        self._detections = counter("smoke_camera_detections", "Regions found.")
        self._suspected = counter(
            "smoke_camera_suspected_false_alarms", "Regions that the gate doubts, where the release has one."
        )
        self._share = gauge(
            "smoke_camera_suspected_false_alarm_ratio", "Doubted regions over all, last frames; 0 without a gate."
        )
        self._state = gauge("smoke_camera_alarm_state", "1 for the state that the camera is in.", "state")
        self._quality = gauge("smoke_camera_image_quality", "1 where this is wrong.", "flag")
        past = "PSI against its own past; until then, the release."
        self._drift = gauge("smoke_camera_drift_psi", past, "quantity")
        self._turns = counter("smoke_camera_view_changes", "Changes of the view, as told from the pictures.")
        self._alarms = counter("smoke_camera_alarms", "Alarms raised.")
        self._feedback = counter("smoke_camera_feedback", "What people said of alarms.", "verdict")
        evictions = Counter("smoke_camera_evictions", "Cameras forgotten.", ("reason",), registry=registry)
        self._evictions = from_zero(evictions, (ROOM, SILENCE))
        unwatched = "Frames of cameras that there was no room for."
        self._unwatched = Counter("smoke_camera_frames_unwatched", unwatched, registry=registry)
        unknown = "Frames answered without their camera's state."
        self._unknown = Counter("smoke_camera_state_unknown", unknown, registry=registry)
        answers = "1 while what keeps the cameras' states answers."
        self._store = Gauge("smoke_camera_store_connected", answers, ("store",), registry=registry)

    def answered(self, camera: str, result: FrameResult, health: CameraHealth, arrived_s: float) -> None:
        """A frame of a camera was answered."""
        self._frames.labels(camera).inc()
        self.seen(camera, arrived_s)
        self._area.labels(camera).set(result.smoke.area_fraction)
        self._observe(camera, "frame", result.frame_uncertainty)
        if result.smoke_uncertainty:
            self._observe(camera, "smoke", result.smoke_uncertainty)
        if result.novelty:
            self._novelty.labels(camera).observe(result.novelty.score)
        self._assessments.labels(camera, result.assessment).inc()
        self._detections.labels(camera).inc(len(result.regions))
        self._suspected.labels(camera).inc(sum(region.doubted for region in result.regions))
        self._share.labels(camera).set(health.doubted_share)
        for flag in FLAGS:
            self._quality.labels(camera, flag).set(flag in health.quality_flags)
        for quantity, value in health.drift.items():
            self._drift.labels(camera, quantity).set(value)

    def seen(self, camera: str, at_s: float) -> None:
        """The last frame of a camera came then."""
        self._seen.labels(camera).set(at_s)

    def turned(self, camera: str, *, found: bool) -> None:
        """A frame showed another view than before, or the same."""
        self._turns.labels(camera).inc(found)

    def refused(self, camera: str, reason: str) -> None:
        """A frame of a camera got no answer."""
        self._refusals.labels(camera, reason).inc()

    def arrived(self, camera: str, arrival: Arrival, stamp: Stamp) -> None:
        """A frame of a camera counts, or does not; a retry of one that was answered is not told."""
        for known in (Arrival.COUNTED, Arrival.LATE, Arrival.AHEAD):
            self._arrivals.labels(camera, known).inc(known is arrival)
        if stamp.captured_s is not None:
            self._skew.labels(camera).set(stamp.skew_s)

    def stands(self, camera: str, states: Iterable[AlarmState], *, raised: bool = False) -> None:
        """A camera is in this state, or those that share a label are in these."""
        present = set(states)
        for state in AlarmState:
            self._state.labels(camera, state).set(state in present)
        self._alarms.labels(camera).inc(raised)

    def evicted(self, reason: str) -> None:
        """A camera was forgotten."""
        self._evictions.labels(reason).inc()

    def unwatched(self) -> None:
        """A frame was answered that raises no alarm, as there was no room for its camera."""
        self._unwatched.inc()

    def state_unknown(self, camera: str) -> None:
        """A frame was answered, and whether its camera alarms is not known."""
        self._unknown.inc()
        self.stands(camera, [AlarmState.UNKNOWN])

    def shares_store(self, connected: Callable[[], bool]) -> None:
        """The cameras' states are kept in a store that several processes share."""
        self._store.labels("redis").set_function(connected)

    def judged(self, camera: str, verdict: str) -> None:
        """A person said whether an alarm was one."""
        self._feedback.labels(camera, verdict).inc()

    def forget(self, camera: str) -> None:
        """Drop every series of a camera."""
        for instrument in self._of_cameras:
            instrument.remove_by_labels({"camera": camera})

    def _each(
        self,
        kind: type[_Instrument],
        name: str,
        meaning: str,
        *labels: str,
        **options: Any,  # noqa: ANN401 - of its kind
    ) -> _Instrument:
        """An instrument with series of each camera, which go with it."""
        instrument = kind(name, meaning, ("camera", *labels), registry=self._registry, **options)
        self._of_cameras.append(instrument)
        return instrument

    def _observe(self, camera: str, region: str, uncertainty: MeanUncertainty) -> None:
        for kind in _KINDS:
            self._nats.labels(camera, kind, region).observe(getattr(uncertainty, kind))
