"""Every instrument and bucket of the service, in a registry of its own; the only importer of prometheus_client."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest
from prometheus_client.process_collector import ProcessCollector

from service.prediction import Identity

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
_SECONDS: Final = tuple(0.001 * 2**power for power in range(15))
_BATCHES: Final = (1, 2, 4, 8)


class Metrics:
    """The service's instruments. `smoke_requests_received_total` = sum of `smoke_requests_total` + those in flight."""

    def __init__(self, identity: Identity) -> None:
        self._registry = CollectorRegistry()
        self._received = Counter(
            "smoke_requests_received", "Requests to /segment that arrived.", registry=self._registry
        )
        self._requests = Counter(
            "smoke_requests", "Requests to /segment that ended.", ("outcome", "reason"), registry=self._registry
        )
        self._in_flight = Gauge(
            "smoke_requests_in_flight", "Requests to /segment being worked on.", registry=self._registry
        )
        self._stages = Histogram(
            "smoke_stage_seconds", "Time per frame and stage.", ("stage",), buckets=_SECONDS, registry=self._registry
        )
        self._batches = Histogram("smoke_batch_frames", "Frames per batch.", buckets=_BATCHES, registry=self._registry)
        self._skipped = Counter(
            "smoke_frames_skipped", "Frames whose callers left before inference.", registry=self._registry
        )
        self._depth = Gauge("smoke_queue_frames", "Frames that wait for the model.", registry=self._registry)
        self._ready = Gauge("smoke_ready", "1 while frames are accepted.", registry=self._registry)
        Info("smoke_model", "The model that answers.", registry=self._registry).info(asdict(identity))
        ProcessCollector(registry=self._registry)

    def watch(self, queue_depth: Callable[[], float], ready: Callable[[], bool]) -> None:
        """Read these at each scrape."""
        self._depth.set_function(queue_depth)
        self._ready.set_function(ready)

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

    def observe_batch(self, taken: int, skipped: int) -> None:
        """A batch was formed."""
        if taken:
            self._batches.observe(taken)
        self._skipped.inc(skipped)

    def render(self) -> bytes:
        """The exposition of CONTENT_TYPE."""
        return generate_latest(self._registry)
