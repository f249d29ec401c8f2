"""How late the served process's event loop was, read out of its own histogram."""

import re
from dataclasses import dataclass

import httpx2

_BUCKET = re.compile(r'^smoke_event_loop_lag_seconds_bucket\{le="(\S+)"\} (\S+)$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Lag:
    """Cumulated counts by upper bound in seconds."""

    buckets: dict[float, float]

    def percentile(self, share: float) -> float:
        """The upper bound of the bucket in which this share lies."""
        counted = max(self.buckets.values(), default=0.0)
        return next((bound for bound, count in sorted(self.buckets.items()) if count >= share * counted), float("nan"))


async def lag_counts(client: httpx2.AsyncClient) -> Lag:
    """What `/metrics` says now."""
    return lag_of((await client.get("/metrics")).text)


def lag_of(text: str) -> Lag:
    """Out of an exposition."""
    return Lag({float(bound): float(count) for bound, count in _BUCKET.findall(text)})


def lag_between(before: Lag, after: Lag) -> Lag:
    """What was counted in between."""
    return Lag({bound: count - before.buckets[bound] for bound, count in after.buckets.items()})
