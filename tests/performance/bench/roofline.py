"""How fast it could be, and how near to that the service and `smoke-bvm segment` come.

`python -m tests.performance.bench.roofline`: the roofline is the cores over the CPU seconds that a frame takes to be decoded, inferred
and encoded in a loop on one thread. Loop, service with as many clients as keep it busy, and folder in turn, A B A B. It wants a machine
that does nothing else; beside other work only the CPU time of a frame says something.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from models.manifest import newest_release
from service.runtime.process import cores
from tests.performance.bench.null_model import camera_frame, jpeg_of
from tests.performance.bench.overhead import family_cpu_s
from tests.performance.bench.plan import CROWD
from tests.performance.bench.systems import (
    ROOT,
    Peer,
    Running,
    loop_command,
    ours,
    peer_environment,
    python_of_peers,
)


@dataclass(frozen=True, slots=True)
class Loop:
    """One loop: the median time of a frame, and the CPU seconds of each of its steps."""

    p50_ms: float
    cpu_s: dict[str, float]

    @property
    def roofline_per_s(self) -> float:
        """Frames a second, were every core busy with these steps alone; of a loop on one thread."""
        return cores() / sum(self.cpu_s.values())


@dataclass(frozen=True, slots=True)
class Pace:
    """Frames a second, and the CPU seconds of each, of all processes."""

    per_s: float
    cpu_s: float


def loop(release: Path, frame: Path, resolution: str, threads: int, seconds: float) -> Loop:
    """Run one, in a process of its own."""
    return loops(release, frame, resolution, threads, seconds, 1)[0]


def loops(release: Path, frame: Path, resolution: str, threads: int, seconds: float, count: int) -> list[Loop]:
    """Run several at the same time, each in a process of its own. Raises RuntimeError, with its words, where one fails."""
    environment = peer_environment(Peer("loop", 1, threads), release, resolution)
    command = loop_command(python_of_peers(), frame, seconds)
    pipe = subprocess.PIPE
    running = [subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True) for _ in range(count)]
    return [_loop_of(process, *process.communicate()) for process in running]


def _loop_of(process: "subprocess.Popen[str]", told: str, words: str) -> Loop:
    if process.returncode:
        raise RuntimeError(f"{process.args}: {words}")
    found = json.loads(told)
    return Loop(1e3 * statistics.median(found["taken_s"]), found["cpu_s"])


def folder_pace(release: Path, frame: Path, resolution: str, count: int) -> Pace:
    """Of `smoke-bvm segment`, its start taken off: what twice as many frames more take."""
    few, many = (_segment_s(release, frame, resolution, frames) for frames in (count, 3 * count))
    return Pace(2 * count / (many[0] - few[0]), (many[1] - few[1]) / (2 * count))


def _segment_s(release: Path, frame: Path, resolution: str, count: int) -> tuple[float, float]:
    """Seconds by the clock, and of CPU."""
    with tempfile.TemporaryDirectory() as folder:
        pictures = Path(folder) / "in"
        pictures.mkdir()
        for number in range(count):
            (pictures / f"{number}.jpg").symlink_to(frame)
        command = [sys.executable, "-m", "service", "segment", str(pictures), "--out", f"{folder}/out"]
        options = ["--outputs", "mask,total,aleatoric", "--resolution", resolution, "--model-dir", str(release)]
        started_s, before_s = time.perf_counter(), _children_s()
        subprocess.run(
            [*command, *options],
            cwd=ROOT,
            env=os.environ | {"SMOKE_PRECISION": "fp32"},
            capture_output=True,
            check=True,
        )
        return time.perf_counter() - started_s, _children_s() - before_s


def _children_s() -> float:
    """CPU seconds of the processes that ended and were waited for, theirs included."""
    used = os.times()
    return used.children_user + used.children_system


def _served_pace(system: Running, frame: Path, clients: int, seconds: float) -> Pace:
    """Clients that ask again as soon as they are answered; when the time is up each waits for its last answer."""
    body, until_s = frame.read_bytes(), time.perf_counter() + seconds
    before_s, started_s = family_cpu_s(system.pid), time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        answers = sum(pool.map(lambda _: _ask_until(until_s, system.url, body), range(clients)))
    return Pace(answers / (time.perf_counter() - started_s), (family_cpu_s(system.pid) - before_s) / answers)


def _ask_until(until_s: float, url: str, body: bytes) -> int:
    """How often it was answered. Raises RuntimeError where it was refused."""
    address, answers = urlsplit(url), 0
    with closing(HTTPConnection(address.netloc, timeout=600)) as connection:
        while not answers or time.perf_counter() < until_s:
            connection.request("POST", f"{address.path}?{address.query}", body, {"Content-Type": "image/jpeg"})
            with connection.getresponse() as response:
                told = response.read()
            if response.status != HTTPStatus.OK:
                raise RuntimeError(f"{url}: found {response.status} {told[:300]!r}, expected an answer")
            answers += 1
    return answers


def _loops_pace(release: Path, frame: Path, resolution: str, seconds: float, count: int) -> Pace:
    """Of so many loops at once: a core that its neighbour leaves less of the memory takes longer for the same."""
    cpu_s = statistics.mean(sum(found.cpu_s.values()) for found in loops(release, frame, resolution, 1, seconds, count))
    return Pace(cores() / cpu_s, cpu_s)


ROOFLINE = "the loop, on one core"


def measure(release: Path, resolution: str, rounds: int, seconds: float, clients: int) -> dict[str, list[Pace]]:
    """All in turn, so many rounds; one value a round of each."""
    with tempfile.TemporaryDirectory() as folder, ours(release, resolution) as system:
        frame = Path(folder) / "frame.jpg"
        frame.write_bytes(jpeg_of(camera_frame(1280, 720)))
        _served_pace(system, frame, clients, 2.0)
        kinds: dict[str, Callable[[], Pace]] = {
            ROOFLINE: partial(_loops_pace, release, frame, resolution, seconds, 1),
            "loops on every core": partial(_loops_pace, release, frame, resolution, seconds, cores()),
            f"served to {clients} clients": partial(_served_pace, system, frame, clients, seconds),
            "smoke-bvm segment": partial(folder_pace, release, frame, resolution, max(8, round(seconds))),
        }
        found: dict[str, list[Pace]] = {kind: [] for kind in kinds}
        for _ in range(rounds):
            for kind, paced in kinds.items():
                found[kind].append(paced())
    return found


def table(found: dict[str, list[Pace]]) -> str:
    """A row a kind: medians of the rounds, and those of the ratios to the loop of the same round."""
    lines = ["| what | frames/s | of the roofline | CPU a frame | the loop's CPU over it |", "|" + 5 * " --- |"]
    for kind, paces in found.items():
        pairs = list(zip(paces, found[ROOFLINE], strict=True))
        per_s, cpu_s = statistics.median(p.per_s for p in paces), statistics.median(p.cpu_s for p in paces)
        share = _spread([pace.per_s / least.per_s for pace, least in pairs])
        worth = _spread([least.cpu_s / pace.cpu_s for pace, least in pairs])
        lines.append(f"| {kind} | {per_s:.1f} | {share} | {1e3 * cpu_s:.1f} ms | {worth} |")
    return "\n".join(lines) + "\n"


def _spread(ratios: Sequence[float]) -> str:
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model-dir", type=Path, default=newest_release(), metavar="DIR")
    parser.add_argument("--resolution", choices=("model", "frame"), default="model")
    parser.add_argument("--clients", type=int, default=CROWD)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each loop and each load")
    chosen = parser.parse_args(arguments)
    sys.stdout.write(table(measure(chosen.model_dir, chosen.resolution, chosen.rounds, chosen.seconds, chosen.clients)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
