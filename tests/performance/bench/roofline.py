"""How fast it could be: the same work in tight loops without HTTP, and frames in a folder by `smoke-bvm segment`."""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from service.runtime.process import cores
from tests.performance.bench.systems import ROOT, Peer, loop_command, peer_environment, python_of_peers


@dataclass(frozen=True, slots=True)
class Loop:
    """One loop: the median time of a frame, and the CPU seconds of each of its steps."""

    p50_ms: float
    cpu_s: dict[str, float]

    @property
    def roofline_per_s(self) -> float:
        """Frames a second, were every core busy with these steps alone; of a loop on one thread."""
        return cores() / sum(self.cpu_s.values())


def loop(release: Path, frame: Path, resolution: str, threads: int, seconds: float) -> Loop:
    """Run one, in a process of its own."""
    environment = peer_environment(Peer("loop", 1, threads), release, resolution)
    done = subprocess.run(
        loop_command(python_of_peers(), frame, seconds), env=environment, capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    return Loop(1e3 * statistics.median(found["taken_s"]), found["cpu_s"])


def folder_per_s(release: Path, frame: Path, resolution: str, count: int) -> float:
    """Frames a second of `smoke-bvm segment`, its start taken off: what twice as many frames more take."""
    few_s, many_s = (_segment_s(release, frame, resolution, frames) for frames in (count, 3 * count))
    return 2 * count / (many_s - few_s)


def _segment_s(release: Path, frame: Path, resolution: str, count: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        pictures = Path(folder) / "in"
        pictures.mkdir()
        for number in range(count):
            (pictures / f"{number}.jpg").symlink_to(frame)
        command = [sys.executable, "-m", "service", "segment", str(pictures), "--out", f"{folder}/out"]
        options = ["--outputs", "mask,total,aleatoric", "--resolution", resolution, "--model-dir", str(release)]
        started_s = time.perf_counter()
        subprocess.run([*command, *options], cwd=ROOT, capture_output=True, check=True)
        return time.perf_counter() - started_s
