"""What Prometheus sees of the sources: read at each scrape from how they are."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.errors import AddressUnusable
from service.sources.watched import SourceState, SourceStatus, WatchedSource

LABELS: Final = ("camera", "view")
_COUNTERS: Final[dict[str, tuple[str, Callable[[SourceStatus], float]]]] = {
    "smoke_source_frames": ("Frames that came.", lambda status: status.frames),
    "smoke_source_frames_replaced": ("Frames that gave way to newer ones.", lambda status: status.replaced),
    "smoke_source_frames_refused": ("Frames that got no answer.", lambda status: status.refused),
    "smoke_source_reconnects": ("Times that a source was started anew.", lambda status: status.reconnects),
    "smoke_source_stalls": ("Times that a source fell silent and its process was ended.", lambda status: status.stalls),
}


class SourceMetrics(Collector):
    """The instruments of these sources."""

    def __init__(self, sources: Sequence[WatchedSource]) -> None:
        self._sources = sources

    def collect(self) -> Iterator[Metric]:
        """Every metric with a value for each source."""
        up = GaugeMetricFamily("smoke_source_up", "1 while a source gives frames.", labels=LABELS)
        age = GaugeMetricFamily("smoke_source_frame_age_seconds", "How old the last frame is.", labels=LABELS)
        for source in self._sources:
            labels, status = (source.spec.camera_id, source.spec.view), source.status
            up.add_metric(labels, status.state is SourceState.UP)
            if status.frame_s:
                age.add_metric(labels, max(0.0, time.time() - status.frame_s))
        yield from (up, age)
        for name, (meaning, value) in _COUNTERS.items():
            counter = CounterMetricFamily(name, meaning, labels=LABELS)
            for source in self._sources:
                counter.add_metric((source.spec.camera_id, source.spec.view), value(source.status))
            yield counter


@contextmanager
def metrics_server(
    sources: Sequence[WatchedSource], more: CollectorRegistry | None, host: str, port: int
) -> Iterator[int]:
    """Serve `/metrics` of the sources, and what more there is, while the context lasts; gives the port.

    Raises:
        AddressUnusable: The address cannot be bound.
    """
    registry = CollectorRegistry()
    registry.register(SourceMetrics(sources))
    if more is not None:
        registry.register(more)
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise AddressUnusable(f"cannot serve metrics on {host}:{port}: {error.strerror or error}") from error
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
