"""What Ray costs: `python -m tests.performance.ray_price`, two replicas of one thread each against one process of two threads.

Both run all the time and are asked in turn, A B A B, each by as many callers as there are replicas, so that whatever else the machine
does falls on both; what counts is the ratio. The CPU time is that of all processes of each: for Ray, its proxy, its controller and what
it runs besides on a node. At rest they are looked at for a while too. `--null` takes a model that does next to nothing.
"""

import argparse
import http.client
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import pytest

from models.manifest import newest_release
from tests.end_to_end.conftest import Server
from tests.performance.bench.load import family
from tests.performance.bench.null_model import build_null_release, camera_frame, jpeg_of
from tests.performance.bench.overhead import cpu_s
from tests.performance.open_loop import percentile
from tests.ports import free_port
from tests.redis_server import redis_server

_CALLERS: Final = 2
_REST_S: Final = 5.0
_WARM_UP: Final = 6


@dataclass(frozen=True, slots=True)
class System:
    """What is asked: its address, and the processes that it consists of."""

    url: str
    processes: Callable[[], set[int]]

    def cpu_s(self) -> Counter[str]:
        """CPU seconds of its processes that live, by what they are; the processes that decode are their replica's."""
        pids, used = self.processes(), Counter[str]()
        replicas = below({pid for pid in pids if "ServeReplica" in _title(pid)})
        for pid in pids:
            kind = "replicas" if pid in replicas else "proxy" if "ProxyActor" in _title(pid) else "the rest"
            used[kind] += cpu_s(pid)
        return used


class Round(NamedTuple):
    """What one round took: CPU and latency in milliseconds, frames a second of the wall's clock."""

    cpu_ms: float
    p50_ms: float
    p99_ms: float
    per_s: float


def _title(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


def below(pids: set[int]) -> set[int]:
    """Processes with all that descend from them."""
    return {member for pid in pids for member in family(pid)}


@contextmanager
def one_process(release: Path, redis: str) -> Iterator[System]:
    """`smoke-bvm serve`, two threads."""
    server = Server(release, SMOKE_THREADS="2", SMOKE_WORKERS="2", SMOKE_REDIS_URL=redis)
    try:
        yield System(server.url, lambda: below({server.process.pid}))
    finally:
        server.end()


@contextmanager
def two_replicas(release: Path, redis: str) -> Iterator[System]:
    """Two replicas of one core each behind Ray's proxy, on one node."""
    import ray
    from ray import serve

    from service.cluster.deployment import ClusterOptions, build

    port, before = free_port(), set(family(os.getpid()))
    with pytest.MonkeyPatch.context() as environment:
        for name, value in {
            "PYTHONPATH": str(Path.cwd()),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "service.cluster.proxy:middleware",
            "SMOKE_MODEL_DIR": str(release),
            "SMOKE_REDIS_URL": redis,
            "SMOKE_WAIT_MAX_MS": "600000",
        }.items():
            environment.setenv(name, value)
        ray.init("local", num_cpus=_CALLERS, include_dashboard=False, log_to_driver=False, configure_logging=False)
        try:
            serve.start(http_options={"host": "127.0.0.1", "port": port})
            serve.run(build(ClusterOptions(min_replicas=_CALLERS, max_replicas=_CALLERS)))
            yield System(f"http://127.0.0.1:{port}", lambda: set(family(os.getpid())) - before)
        finally:
            ray.shutdown()


def asked(system: System, body: bytes, frames: int, shares: Counter[str]) -> Round:
    """Frames posted by callers who ask again as soon as they are answered; what each kind of process took is added to the shares."""
    before, started_s = system.cpu_s(), time.perf_counter()
    with ThreadPoolExecutor(_CALLERS) as callers:
        took = [*callers.map(lambda _: _caller(system.url, body, frames // _CALLERS), range(_CALLERS))]
    wall_s, used = time.perf_counter() - started_s, system.cpu_s() - before
    latencies_ms = [1e3 * seconds for times in took for seconds in times]
    answered = len(latencies_ms)
    shares.update({kind: 1e3 * seconds / answered for kind, seconds in used.items()})
    return Round(
        1e3 * used.total() / answered, percentile(latencies_ms, 0.5), percentile(latencies_ms, 0.99), answered / wall_s
    )


def _caller(url: str, body: bytes, frames: int) -> list[float]:
    """Seconds to each answer. Raises RuntimeError where one is none."""
    connection, took = http.client.HTTPConnection(urlsplit(url).netloc, timeout=120), []
    for _ in range(frames):
        started_s = time.perf_counter()
        connection.request("POST", "/segment?outputs=mask", body, {"Content-Type": "image/jpeg"})
        reply = connection.getresponse()
        answer = reply.read()
        took.append(time.perf_counter() - started_s)
        if reply.status != 200:
            raise RuntimeError(f"{url}: found {reply.status} {answer[:200]!r}, expected an answer")
    connection.close()
    return took


def at_rest(system: System) -> float:
    """CPU milliseconds a second while nobody asks."""
    before = system.cpu_s()
    time.sleep(_REST_S)
    return 1e3 * (system.cpu_s() - before).total() / _REST_S


def table(alone: list[Round], on_ray: list[Round]) -> str:
    """A row a system with the medians of the rounds, and the rounds' ratios, least to most."""
    lines = ["| | CPU a frame | p50 | p99 | frames/s |", "| --- | --- | --- | --- | --- |"]
    for name, rounds in (("one process, two threads", alone), ("two replicas on Ray", on_ray)):
        cpu, p50, p99, rate = map(statistics.median, zip(*rounds, strict=True))
        lines.append(f"| {name} | {cpu:.1f} ms | {p50:.0f} ms | {p99:.0f} ms | {rate:.1f} |")
    each = [[b / a for a, b in zip(*pair, strict=True)] for pair in zip(alone, on_ray, strict=True)]
    told = (f"{statistics.median(r):.2f} ({min(r):.2f} to {max(r):.2f})" for r in zip(*each, strict=True))
    return "\n".join([*lines, f"| ratio | {' | '.join(told)} |"])


def main() -> int:
    """Measure and print; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frames", type=int, default=60, help="in each round, of each system")
    parser.add_argument("--size", type=int, nargs=2, default=(1280, 720), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--null", action="store_true", help="a model that does next to nothing")
    chosen = parser.parse_args()
    body = jpeg_of(camera_frame(*chosen.size))
    with tempfile.TemporaryDirectory() as name, redis_server(Path(name)) as redis:
        release = build_null_release(Path(name)) if chosen.null else newest_release()
        with one_process(release, redis.url) as alone, two_replicas(release, redis.url) as on_ray:
            systems, rounds, shares = (alone, on_ray), ([], []), (Counter[str](), Counter[str]())
            for system in systems:
                asked(system, body, _WARM_UP, Counter())
            rest = [at_rest(system) for system in systems]
            for _ in range(chosen.rounds):
                for system, measured, taken in zip(systems, rounds, shares, strict=True):
                    measured.append(asked(system, body, chosen.frames, taken))
    on_kinds = ", ".join(f"{kind} {total / chosen.rounds:.1f}" for kind, total in shares[1].most_common())
    load = os.getloadavg()[0]
    told = f"at rest: {rest[0]:.0f} and {rest[1]:.0f} ms of CPU a second; load average {load:.1f} on {os.cpu_count()} cores"
    sys.stdout.write(f"{table(*rounds)}\non Ray, ms a frame: {on_kinds}\n{told}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
