"""Every instrument and bucket of the service but the cameras' (`service.cameras.metrics`), in a registry of its own."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from functools import partial
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest
from prometheus_client.process_collector import ProcessCollector

from service.cameras.metrics import CameraMetrics, from_zero
from service.errors import KeyInsufficient, KeyMissing
from service.pipeline.tiling import CloseUpCount
from service.runtime.model import ModelInfo
from service.scheduling.admission import AdmissionControl

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
_SECONDS: Final = tuple(0.001 * 2**power for power in range(15))
_BATCHES: Final = (1, 2, 4, 8)
_RESULTS: Final = ("delivered", "replaced", "failed", "dropped")
"""What becomes of a notification."""


class Metrics:
    """The service's instruments. `smoke_requests_received_total` = sum of `smoke_requests_total` + those in flight."""

    def __init__(self, identity: ModelInfo) -> None:
        self._registry = CollectorRegistry()
        counter = partial(Counter, registry=self._registry)
        gauge = partial(Gauge, registry=self._registry)
        histogram = partial(Histogram, registry=self._registry)
        self._received = counter("smoke_requests_received", "Requests to /segment that arrived.")
        self._requests = counter("smoke_requests", "Requests to /segment that ended.", ("outcome", "reason"))
        self._in_flight = gauge("smoke_requests_in_flight", "Requests to /segment being worked on.")
        self._stages = histogram("smoke_stage_seconds", "Time per frame and stage.", ("stage",), buckets=_SECONDS)
        self._batches = histogram("smoke_batch_frames", "Frames per batch.", buckets=_BATCHES)
        self._skipped = counter("smoke_frames_skipped", "Accepted frames dropped before inference.", ("reason",))
        decoders = counter("smoke_decoders_ended", "Decoding processes ended: slow, or lost.", ("reason",))
        self._decoders = from_zero(decoders, ("slow", "lost"))
        close_ups = counter("smoke_close_ups", "Windows around small smoke, by what became of them.", ("result",))
        self._close_ups = from_zero(close_ups, CloseUpCount._fields)
        self._closed = counter("smoke_connections_closed", "Connections closed by a limit.", ("reason",))
        self._lag = histogram("smoke_event_loop_lag_seconds", "How late the event loop was.", buckets=_SECONDS)
        self._permits = gauge("smoke_permits_used", "Requests, bytes and pixels in flight.", ("kind",))
        self._permits_max = gauge("smoke_permits_max", "Most that may be.", ("kind",))
        self._depth = gauge("smoke_queue_frames", "Frames that wait for the model.")
        self._wait = gauge("smoke_wait_seconds", "How long a frame would wait behind all those inside, as estimated.")
        self._ready = gauge("smoke_ready", "1 while frames are accepted.")
        self._live = gauge("smoke_live", "0 when a restart would help.")
        self._rebuilds = counter("smoke_session_rebuilds", "Attempts to rebuild a model that raised.", ("result",))
        self._reloads = counter("smoke_reloads", "Changes of the model that were asked for.", ("result",))
        keys = counter("smoke_keys_refused", "Requests refused for their API key.", ("reason",))
        self._keys_refused = from_zero(keys, (KeyMissing.reason, KeyInsufficient.reason))
        self._file_ok = gauge("smoke_file_ok", "0 while a file cannot be read or written.", ("file",))
        self._file_time = gauge("smoke_file_timestamp_seconds", "When a file was last read or written.", ("file",))
        self._model = Info("smoke_model", "The model that answers.", registry=self._registry)
        self._background = counter("smoke_background_failures", "Background tasks begun again.", ("task",))
        self._readers = gauge("smoke_event_readers", "Readers of /events.")
        self._readers_dropped = counter("smoke_event_readers_dropped", "Readers of /events that did not keep up.")
        self._pictures = counter(
            "smoke_alarm_pictures", "Frames of alarms to be kept, by what became of them.", ("result",)
        )
        self.cameras = CameraMetrics(self._registry)
        self.notifications = NotificationMetrics(self._registry)
        self.serving(identity)
        ProcessCollector(registry=self._registry)

    @property
    def registry(self) -> CollectorRegistry:
        """All of them, for a page that shows more than these."""
        return self._registry

    def watch(self, queue_depth: Callable[[], float], ready: Callable[[], bool], live: Callable[[], bool]) -> None:
        """Read these at each scrape."""
        self._depth.set_function(queue_depth)
        self._ready.set_function(ready)
        self._live.set_function(live)

    def watch_gpu(self, held_bytes: Callable[[], float] | None) -> None:
        """Read the process's GPU memory at each scrape, where there is one."""
        if held_bytes:
            gauge = Gauge(
                "smoke_process_gpu_memory_bytes", "GPU memory that the process holds.", registry=self._registry
            )
            gauge.set_function(held_bytes)

    def serving(self, identity: ModelInfo) -> None:
        """This model answers from now on."""
        self._model.info(asdict(identity))

    def rebuilt(self, result: str) -> None:
        """A model that raised was rebuilt, or could not be."""
        self._rebuilds.labels(result).inc()

    def reloaded(self, result: str) -> None:
        """The model was swapped or rolled back, or a release was refused."""
        self._reloads.labels(result).inc()

    def key_refused(self, reason: str) -> None:
        """A request came without a key that is known, or with one that does not reach so far."""
        self._keys_refused.labels(reason).inc()

    def watch_file(self, file: str, ok: Callable[[], bool], done_s: Callable[[], float]) -> None:
        """Read at each scrape whether a file could last be read, and when it was."""
        self._file_ok.labels(file).set_function(ok)
        self._file_time.labels(file).set_function(done_s)

    def file_written(self, file: str, ok: bool) -> None:
        """A file was written, or could not be."""
        self._file_ok.labels(file).set(ok)
        if ok:
            self._file_time.labels(file).set_to_current_time()

    def background(self, task: str, failures: int) -> None:
        """A background task has begun, or has failed so often more."""
        self._background.labels(task).inc(failures)

    def decoder_ended(self, reason: str) -> None:
        """A process that decodes was ended, or went down."""
        self._decoders.labels(reason).inc()

    def connection_closed(self, reason: str) -> None:
        """A connection went over a limit."""
        self._closed.labels(reason).inc()

    def observe_lag(self, seconds: float) -> None:
        """The event loop was this late."""
        self._lag.observe(seconds)

    def arrived(self) -> None:
        """A request came in."""
        self._received.inc()
        self._in_flight.inc()

    def ended(self, outcome: str, reason: str) -> None:
        """A request ended: answered, refused, failed or abandoned, and why."""
        self._in_flight.dec()
        self._requests.labels(outcome, reason).inc()

    def observe_stages(self, seconds: dict[str, float]) -> None:
        """Time per stage of one answered frame."""
        for stage, value in seconds.items():
            self._stages.labels(stage).observe(value)

    def observe_close_ups(self, count: CloseUpCount) -> None:
        """Close-ups of one answered frame."""
        for result, regions in count._asdict().items():
            self._close_ups.labels(result).inc(regions)

    def keeps_pictures(self, results: Iterable[str]) -> None:
        """Pictures are kept, with these results."""
        from_zero(self._pictures, results)

    def kept_picture(self, result: str) -> None:
        """A frame of an alarm was kept, or could not be."""
        self._pictures.labels(result).inc()

    def watch_readers(self, readers: Callable[[], float]) -> None:
        """Read at each scrape how many there are of /events."""
        self._readers.set_function(readers)

    def reader_dropped(self) -> None:
        """A reader of /events did not keep up and was let go."""
        self._readers_dropped.inc()

    def watch_admission(self, admission: AdmissionControl) -> None:
        """Read these at each scrape too."""
        self._wait.set_function(lambda: admission.backlog.total_wait_s)
        self._permits.labels("requests").set_function(lambda: admission.backlog.total)
        self._permits.labels("bytes").set_function(lambda: admission.bytes.used)
        self._permits.labels("pixels").set_function(lambda: admission.pixels.used)
        for kind in ("requests", "bytes", "pixels"):
            self._permits_max.labels(kind).set(getattr(admission.limits, kind))

    def observe_batch(self, taken: int, dropped: Sequence[str]) -> None:
        """A batch was formed, or frames were dropped for these reasons."""
        if taken:
            self._batches.observe(taken)
        for reason in dropped:
            self._skipped.labels(reason).inc()

    def render(self) -> bytes:
        """The exposition of CONTENT_TYPE."""
        return generate_latest(self._registry)


class NotificationMetrics:
    """The instruments with the label `channel`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        counter, gauge = partial(Counter, registry=registry), partial(Gauge, registry=registry)
        what_became = "Notifications by what became of them."
        self._notifications = counter("smoke_notifications", what_became, ("channel", "result"))
        waiting = "How long the oldest undelivered one waits."
        self._waiting = gauge("smoke_notifications_waiting_seconds", waiting, ("channel",))
        self._connected = gauge("smoke_notifications_connected", "1 while the MQTT broker hears us.", ("channel",))

    def sends(self, channel: str, waiting_s: Callable[[], float]) -> None:
        """There is such a channel: a count that is first seen at 1 has no rate, and its first lost message would alert nobody."""
        for result in _RESULTS:
            self._notifications.labels(channel, result)
        self._waiting.labels(channel).set_function(waiting_s)

    def keeps_connection(self, channel: str, connected: Callable[[], bool]) -> None:
        """There is such a channel, which keeps a connection."""
        self._connected.labels(channel).set_function(connected)

    def notified(self, channel: str, result: str) -> None:
        """A notification was delivered, replaced by a newer one of its camera, refused for good, or dropped."""
        self._notifications.labels(channel, result).inc()
