"""From the start of a process to ready: seconds by the clock, and CPU seconds of all its processes.

`python -m tests.performance.bench.start`; by the clock it says something only where nothing else runs.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path

from models.manifest import newest_release
from tests.end_to_end.conftest import Server
from tests.performance.bench.overhead import family_cpu_s

_LOOK_S = 0.01


def start_s(release: Path) -> tuple[float, float]:
    """Of one start."""
    started_s = time.perf_counter()
    server = Server(release)
    try:
        with server.client() as client:
            while client.get("/health/ready").status_code != HTTPStatus.OK:
                time.sleep(_LOOK_S)
        return time.perf_counter() - started_s, family_cpu_s(server.process.pid)
    finally:
        server.end()


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model-dir", type=Path, default=newest_release(), metavar="DIR")
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args(arguments)
    found = [start_s(chosen.model_dir) for _ in range(chosen.rounds)]
    for name, seconds in zip(("ready after", "CPU time"), zip(*found, strict=True), strict=True):
        spread = f"{min(seconds):.2f} to {max(seconds):.2f}"
        sys.stdout.write(f"{name}: {statistics.median(seconds):.2f} s ({spread})\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
