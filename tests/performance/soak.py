"""`make soak`: frames of mixed sizes and outputs without a pause, the model reloaded every minute, memory watched.

Runs a real server on two releases that differ in their threshold, so that an answer which mixed them would be seen: on the
closed-form model, whose inference takes next to nothing, or with `--released` on the newest released one.
"""

import argparse
import json
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx2
import numpy as np

from models.manifest import Manifest, newest_release
from tests.conftest import build_release
from tests.end_to_end.conftest import Server
from tests.pictures import file_of, plume

SIDES = ((64, 48), (640, 480), (1920, 1080))
BODIES = [file_of(plume(*side), kind) for side in SIDES for kind in ("PNG", "JPEG", "WEBP")]
QUERIES = ("outputs=", "outputs=mask,total,aleatoric", "outputs=mask,overlay", "outputs=epistemic&resolution=frame")
THRESHOLDS = {"0.0.1": 0.5, "0.0.2": 0.9}
RELEASED_THRESHOLDS = {"0.0.1": 0.001, "0.0.2": 0.999}
WARM_UP = 0.2


@dataclass(slots=True)
class Run:
    """What was counted."""

    frames: int
    until_s: float
    thresholds: dict[str, float]
    sent: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    mixed: int = 0
    reloads: int = 0
    memory: list[tuple[float, float]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self) -> int | None:
        """The number of the next frame; None when enough were sent, or the time is up."""
        with self.lock:
            if self.sent >= self.frames or time.monotonic() >= self.until_s:
                return None
            self.sent += 1
            return self.sent


def main() -> int:
    """Run, and print what came of it as JSON; 1 if a frame was lost or an answer mixed two models."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=20_000)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--reload-every", type=float, default=60.0, metavar="S")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--released", action="store_true", help="on the newest released model")
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    try:
        run, ended = soak(folder, chosen)
    finally:
        shutil.rmtree(folder)
    report = described(run) | {"exit_code": ended}
    print(json.dumps(report, indent=2))  # noqa: T201
    return int(report["lost"] > 0 or run.mixed > 0 or ended != 0)


def soak(folder: Path, chosen: argparse.Namespace) -> tuple[Run, int]:
    """Serve, send and reload; returns what was counted and the server's exit code."""
    thresholds = RELEASED_THRESHOLDS if chosen.released else THRESHOLDS
    build = copy_release if chosen.released else build_release
    releases = [build(folder / version, version=version, threshold=value) for version, value in thresholds.items()]
    link = folder / "current"
    link.symlink_to(releases[0])
    server = Server(link)
    try:
        assert server.url
        run = Run(chosen.frames, time.monotonic() + 60 * chosen.minutes, thresholds)
        stop = threading.Event()
        with ThreadPoolExecutor(chosen.clients + 2) as pool:
            others = [
                pool.submit(reload_now_and_then, server, link, releases, run, stop, chosen.reload_every),
                pool.submit(watch_memory, server, run, stop),
            ]
            clients = [pool.submit(send, server, run) for _ in range(chosen.clients)]
            for client in clients:
                client.result()
            stop.set()
            for other in others:
                other.result()
        return run, server.stop()
    finally:
        server.end()


def send(server: Server, run: Run) -> None:
    """One client: frame after frame, until enough were sent."""
    with server.client() as client:
        while (number := run.next()) is not None:
            body, query = BODIES[number % len(BODIES)], QUERIES[number % len(QUERIES)]
            try:
                answer = client.post(f"/segment?{query}", content=body)
            except httpx2.HTTPError as error:
                note(run, type(error).__name__)
                continue
            note(
                run,
                str(answer.status_code),
                mixed=answer.status_code == 200 and is_mixed(answer.json(), run.thresholds),
            )


def note(run: Run, status: str, *, mixed: bool = False) -> None:
    """Count one answer."""
    with run.lock:
        run.statuses[status] += 1
        run.mixed += mixed


def is_mixed(reply: dict, thresholds: dict[str, float]) -> bool:
    """Whether a reply names one release and decides like the other: frames have a probability in between."""
    smoke, threshold = reply["smoke"], thresholds[reply["model"]["version"]]
    return (smoke["area_fraction"] > 0) != (smoke["max_probability"] >= threshold)


def copy_release(folder: Path, version: str, threshold: float) -> Path:
    """The newest release under another version and with another threshold."""
    shutil.copytree(newest_release(), folder)
    replace(Manifest.read(folder), version=version, threshold=threshold).write(folder)
    return folder


def reload_now_and_then(
    server: Server, link: Path, releases: list[Path], run: Run, stop: threading.Event, pause_s: float
) -> None:
    """Move the link to the other release and have it loaded, again and again."""
    while not stop.wait(pause_s):
        link.unlink()
        link.symlink_to(releases[(run.reloads + 1) % len(releases)])
        server.process.send_signal(signal.SIGHUP)
        run.reloads += 1


def watch_memory(server: Server, run: Run, stop: threading.Event) -> None:
    """Sample the server's resident memory ten times a minute."""
    statm = Path(f"/proc/{server.process.pid}/statm")
    while not stop.wait(0.5 if not run.memory else 6.0):
        mebibytes = int(statm.read_text().split()[1]) * 4096 / 2**20
        run.memory.append((time.monotonic() / 60, mebibytes))


def described(run: Run) -> dict:
    """The report; the slope of memory leaves the warm-up out."""
    answered = run.statuses["200"]
    kept = run.memory[int(WARM_UP * len(run.memory)) :]
    slope = float(np.polyfit(*zip(*kept, strict=True), 1)[0]) if len(kept) > 2 else float("nan")
    return {
        "sent": run.sent,
        "statuses": dict(run.statuses),
        "lost": run.sent - answered,
        "mixed": run.mixed,
        "reloads": run.reloads,
        "memory_first_mib": round(kept[0][1], 1) if kept else None,
        "memory_last_mib": round(kept[-1][1], 1) if kept else None,
        "memory_slope_mib_per_minute": round(slope, 3),
    }


if __name__ == "__main__":
    sys.exit(main())
