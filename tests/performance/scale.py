"""A fleet on paper: `python -m tests.performance.scale` prints the tables of docker/SCALE.md, from what was measured.

A node is a queue that works on several frames at once. How long it takes for one is lognormal: the mean is what the measured frames a
second leave, the spread the measured p99 over p50. A camera sends a frame every ten seconds, up to half a second early or late, each
at a time of its own; or all of them at once.
"""

import heapq
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

INTERVAL_S: Final = 10.0
JITTER_S: Final = 0.5
FLEETS: Final = (100, 10_000, 100_000)
FILLED: Final = 0.8
"""Share of its capacity up to which a node is filled: at this load nobody was refused (README.md beside this file, Load)."""
SPREAD: Final = math.log(198 / 101) / 2.326
"""Of log service times, from p50 and p99 at that load; they hold some waiting too, so it is less in truth."""
FRAME_BYTES: Final = 166_000
"""A JPEG of 1280 x 720 (README.md, A crowd)."""
REPLY_BYTES: Final = {"numbers": 1_300, "mask": 3_900, "three maps": 25_500}
"""Of a frame of a recorded sequence with smoke on it, release 2.0.0, as JSON: docker/SCALE.md."""
CAMERA_SERIES: Final = 123
"""Lines of /metrics with a camera's name, after its sixth frame: docker/SCALE.md."""
ARCHIVED_BYTES: Final = 3_100
"""A picture's row and mask, of 42 photographs in blocks of 8 (`smoke-bvm archive`): docker/SCALE.md."""
SCRAPE_S: Final = 15.0
"""docker/prometheus/prometheus.yml."""


@dataclass(frozen=True, slots=True)
class NodeKind:
    """A machine: frames a second that it answered, how many it works on at once, and where that is written."""

    name: str
    frames_s: float
    at_once: int


NODES: Final = (
    NodeKind("2 cores of an EPYC", 13.4, 2),
    NodeKind("16 cores of a Xeon", 75.0, 16),
    NodeKind("the same with an H200", 143.0, 8),
)
"""README.md: Load (mean of the rounds); A GPU, served, 48 clients, its CPU and its GPU. At once: cores; a GPU's batch."""


def cameras_of(node: NodeKind) -> int:
    """How many fill it."""
    return int(FILLED * node.frames_s * INTERVAL_S)


def arrivals(cameras: int, seconds: float, chance: np.random.Generator, *, together: bool = False) -> list[float]:
    """When frames come, in order."""
    phase = np.zeros(cameras) if together else chance.uniform(0, INTERVAL_S, cameras)
    rounds = np.arange(0, seconds, INTERVAL_S)
    times = phase[:, None] + rounds + (0 if together else chance.uniform(-JITTER_S, JITTER_S, (cameras, len(rounds))))
    return sorted(times.ravel().tolist())


def service_times(node: NodeKind, frames: int, chance: np.random.Generator) -> list[float]:
    """Seconds for each frame, whose mean is `at_once` / `frames_s`."""
    mean_s = node.at_once / node.frames_s
    return chance.lognormal(math.log(mean_s) - SPREAD**2 / 2, SPREAD, frames).tolist()


def waits(come: Iterable[float], take: Iterable[float], at_once: int) -> list[float]:
    """How long each frame waits until one is free to work on it, first come, first served."""
    free = [-math.inf] * at_once
    waited = []
    for come_s, take_s in zip(come, take, strict=True):
        start_s = max(come_s, heapq.heappop(free))
        heapq.heappush(free, start_s + take_s)
        waited.append(start_s - come_s)
    return waited


def simulated(node: NodeKind, cameras: int, *, together: bool = False, seconds: float = 600.0) -> tuple[float, float]:
    """Median and 99th percentile of the wait, in seconds."""
    chance = np.random.default_rng(0)
    come = arrivals(cameras, seconds, chance, together=together)
    waited = waits(come, service_times(node, len(come), chance), node.at_once)
    median, rare = np.percentile(waited, (50, 99))
    return float(median), float(rare)


def node_table() -> str:
    """A row a kind of node: cameras, and how long their frames wait."""
    rows = [
        "| node | frames/s | cameras at 80 % | wait p50, p99 | at 95 % | all at once, p99 |",
        "| --- |" + " --- |" * 5,
    ]
    for node in NODES:
        cameras = cameras_of(node)
        median, rare = simulated(node, cameras)
        _, rare_fuller = simulated(node, round(cameras * 0.95 / FILLED))
        _, last = simulated(node, cameras, together=True)
        rows.append(
            f"| {node.name} | {node.frames_s:g} | {cameras} | {median:.2f} s, {rare:.2f} s | p99 {rare_fuller:.2f} s | {last:.1f} s |"
        )
    return "\n".join(rows)


def fleet_table() -> str:
    """A row a quantity, a column a fleet."""
    rates = [cameras / INTERVAL_S for cameras in FLEETS]
    lines = {
        "frames/s": [f"{rate:,.0f}" for rate in rates],
        **{
            f"nodes: {node.name}": [f"{math.ceil(cameras / cameras_of(node)):,}" for cameras in FLEETS]
            for node in NODES
        },
        "frames in, Mbit/s": [f"{rate * FRAME_BYTES * 8 / 1e6:,.0f}" for rate in rates],
        **{
            f"replies out ({name}), Mbit/s": [f"{rate * size * 8 / 1e6:,.1f}" for rate in rates]
            for name, size in REPLY_BYTES.items()
        },
        "frames kept, TB a day": [f"{rate * 86_400 * FRAME_BYTES / 1e12:,.1f}" for rate in rates],
        "findings and masks kept, GB a day": [f"{rate * 86_400 * ARCHIVED_BYTES / 1e9:,.1f}" for rate in rates],
        "series of cameras": [f"{cameras * CAMERA_SERIES:,}" for cameras in FLEETS],
        "samples/s of cameras": [f"{cameras * CAMERA_SERIES / SCRAPE_S:,.0f}" for cameras in FLEETS],
    }
    head = [
        "| | " + " | ".join(f"{cameras:,} cameras" for cameras in FLEETS) + " |",
        "| --- |" + " --- |" * len(FLEETS),
    ]
    return "\n".join([*head, *(f"| {name} | {' | '.join(cells)} |" for name, cells in lines.items())])


if __name__ == "__main__":
    print(f"{node_table()}\n\n{fleet_table()}")  # noqa: T201
