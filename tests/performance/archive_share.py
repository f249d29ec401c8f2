"""What an archive leaves of the machine's speed: `python -m tests.performance.archive_share`, two Ray nodes of one core each, here.

Bare loops decode, infer and encode the same pictures, one thread each, as many at a time as there are nodes; then `archive` takes
them, A B A B, so that whatever else the machine does falls on both. The ratio of frames a second is the share of cores times roofline;
where the machine is not ours alone, it is told from CPU times: what the workers take a frame, and what Ray takes a second beside them.
Last, what it would take to move pictures between nodes, which `archive` does not.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import ray
from ray.cluster_utils import Cluster

from models.geometry import fit
from models.manifest import newest_release
from service.cli.archive.cluster import segment_blocks
from service.cli.archive.plan import PictureBlock
from service.cli.archive.segmenter import ArchiveJob
from service.pipeline.options import SegmentOptions
from service.server.components import load
from service.settings import Settings
from tests.performance.bench.load import family
from tests.performance.bench.null_model import camera_frame, jpeg_of
from tests.performance.bench.overhead import cpu_s

NODES: Final = 2
_BLOCK: Final = 8


@dataclass(frozen=True, slots=True)
class Rate:
    """Frames a second of the wall's clock, CPU milliseconds a frame, and beside the frames a second of the wall's clock."""

    per_s: float
    cpu_ms: float
    beside_ms: float = 0.0

    def share_of(self, bare: "Rate") -> float:
        """Of the roofline, were all cores ours: what is left beside the frames, and how far it goes."""
        return (1.0 - self.beside_ms / (1e3 * NODES)) * bare.cpu_ms / self.cpu_ms


def bare_loop(folder: Path, frames: int) -> None:
    """One thread: file, decoder, model, encoder; prints seconds of the wall's clock and of the processor, without the start."""
    cv2.setNumThreads(1)
    model = load(_settings()).model
    size, files = model.manifest.input.size_px, sorted(folder.iterdir())
    model.predict([np.zeros((size, size, 3), np.uint8)])
    started_s, before_s = time.perf_counter(), time.process_time()
    for number in range(frames):
        coded = np.frombuffer(files[number % len(files)].read_bytes(), np.uint8)
        frame = cv2.cvtColor(cv2.imdecode(coded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        (maps,) = model.predict([fit(frame, size)])
        cv2.imencode(".png", (maps.probability >= model.manifest.threshold).astype(np.uint8) * 255)
    print(time.perf_counter() - started_s, time.process_time() - before_s)  # noqa: T201


def _settings() -> Settings:
    return Settings.load(model_dir=newest_release(), threads=1, runners=1, workers=1)


def roofline(folder: Path, frames: int) -> Rate:
    """A loop a core, at once."""
    command = [sys.executable, "-m", __spec__.name, "--loop", str(folder), "--frames", str(frames // NODES)]
    loops = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(NODES)]
    told = [[*map(float, loop.communicate()[0].split())] for loop in loops]
    return Rate(
        sum(frames // NODES / wall_s for wall_s, _ in told),
        1e3 * sum(used for _, used in told) / (frames // NODES * NODES),
    )


def archived(folder: Path, out: Path, frames: int, shares: Counter[str]) -> Rate:
    """`archive`, from the first block that is done: before, workers begin. What each node took is added to the shares."""
    settings, files = _settings(), sorted(path.name for path in folder.iterdir())
    names = [files[number % len(files)] for number in range(frames)]
    blocks = [PictureBlock(f"{at:06}", names[at : at + _BLOCK]) for at in range(0, frames, _BLOCK)]
    job = ArchiveJob(str(folder), str(out), settings, SegmentOptions(("mask",)), load(settings).model.identity)
    done = segment_blocks(job, blocks)
    first = [next(done) for _ in range(NODES)]
    started_s, before, left = time.perf_counter(), _cpu_s(), 0
    wall_s, used = 0.0, (0.0, 0.0)
    for block in done:
        left += block.frames
        shares[block.node] += block.frames
        wall_s, used = time.perf_counter() - started_s, _since(before)
    shares.update(Counter({block.node: block.frames for block in first[:1]}))
    return Rate(left / wall_s, 1e3 * used[0] / left, 1e3 * used[1] / wall_s)


def _cpu_s() -> dict[int, float]:
    """CPU seconds of this process, which plans, and of each that Ray runs."""
    return {pid: cpu_s(pid) for pid in family(os.getpid())}


def _since(before: dict[int, float]) -> tuple[float, float]:
    """CPU seconds since then, of those that live: the workers', with their decoders, and all others'."""
    used = {pid: seconds - before.get(pid, 0.0) for pid, seconds in _cpu_s().items()}
    titles = {pid: Path(f"/proc/{pid}/cmdline").read_text() for pid in used}
    workers = {member for pid, title in titles.items() if "MapWorker" in title for member in family(pid)}
    working = sum(seconds for pid, seconds in used.items() if pid in workers)
    return working, sum(used.values()) - working


@contextmanager
def two_nodes() -> Iterator[None]:
    """Two nodes of a core each; the second has the resource `second`."""
    node = {"num_cpus": 1, "object_store_memory": 128 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    try:
        cluster.add_node(**node, resources={"second": 1})
        ray.init(cluster.address, log_to_driver=False, configure_logging=False)
        yield
    finally:
        ray.shutdown()
        cluster.shutdown()


@ray.remote(resources={"second": 0.1}, num_cpus=0)
def _pictures(body: bytes, count: int) -> list[ray.ObjectRef]:
    """Pictures that lie on the second node."""
    return [ray.put(body) for _ in range(count)]


def moved(body: bytes, count: int = 100) -> Rate:
    """Pictures fetched from the second node by this one."""
    pictures = ray.get(_pictures.remote(body, count))
    started_s, before = time.perf_counter(), _cpu_s()
    for picture in pictures:
        assert len(ray.get(picture)) == len(body)
    return Rate(count / (time.perf_counter() - started_s), 1e3 * sum(_since(before)) / count)


def main() -> int:
    """Measure and print; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--frames", type=int, default=160, help="in each round")
    parser.add_argument("--size", type=int, nargs=2, default=(1280, 720), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--loop", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.loop:
        bare_loop(chosen.loop, chosen.frames)
        return 0
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": str(Path.cwd())}
    body, shares = jpeg_of(camera_frame(*chosen.size)), Counter[str]()
    with tempfile.TemporaryDirectory() as name, two_nodes():
        folder = Path(name) / "in"
        folder.mkdir()
        for number in range(_BLOCK):
            (folder / f"{number}.jpg").write_bytes(body)
        pairs = [
            (roofline(folder, chosen.frames), archived(folder, Path(name) / f"out-{number}", chosen.frames, shares))
            for number in range(chosen.rounds)
        ]
        fetched = moved(body)
    for bare, ours in pairs:
        beside = f"{ours.cpu_ms:.0f} ms, and {ours.beside_ms:.0f} ms a second beside"
        print(f"loops {bare.per_s:.1f}/s, {bare.cpu_ms:.0f} ms of CPU a frame; archive {ours.per_s:.1f}/s, {beside}")  # noqa: T201
        by_clock = ours.per_s / bare.per_s
        print(f"  {ours.share_of(bare):.2f} of the roofline by CPU time, {by_clock:.2f} by the clock")  # noqa: T201
    print(f"nodes took {sorted(shares.values())}; load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")  # noqa: T201
    print(f"to move {len(body)} bytes: {1e3 / fetched.per_s:.1f} ms, {fetched.cpu_ms:.1f} ms of CPU")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
