"""What everything but the model costs: CPU seconds a frame around the null model, in-process and over HTTP, against bare OpenCV.

`python -m tests.performance.bench.overhead` measures all three in turn, A B A B, so that whatever else the machine does falls on each;
what counts is the ratio. The CPU time is that of all threads, and of the processes that decode; the model's own is taken off.
"""

import argparse
import asyncio
import http.client
import io
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from models.maps import SegmentationMaps
from service.pipeline.options import SegmentOptions
from service.runtime.slot import ModelSlot
from service.server import components
from service.settings import Settings
from tests.end_to_end.conftest import Server
from tests.performance.bench.null_model import THRESHOLD, build_null_release, camera_frame, jpeg_of

UNCERTAINTIES = ("total", "aleatoric", "epistemic")
KINDS = {
    "none": SegmentOptions(()),
    "mask": SegmentOptions(("mask",)),
    "three maps": SegmentOptions(UNCERTAINTIES),
    "three maps at frame size": SegmentOptions(UNCERTAINTIES, "frame"),
    "three maps as npz": SegmentOptions(UNCERTAINTIES, encoding="npz"),
}


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU milliseconds a frame of one kind of answer, one value a round."""

    kind: str
    bare_ms: list[float] = field(default_factory=list)
    in_process_ms: list[float] = field(default_factory=list)
    http_ms: list[float] = field(default_factory=list)

    def add(self, bare_ms: float, in_process_ms: float, http_ms: float) -> None:
        """One round more."""
        self.bare_ms.append(bare_ms)
        self.in_process_ms.append(in_process_ms)
        self.http_ms.append(http_ms)

    def ratios(self, ours_ms: Sequence[float]) -> list[float]:
        """Each round's ratio to the bare loop, the least first."""
        return sorted(ours / bare for ours, bare in zip(ours_ms, self.bare_ms, strict=True))


def cpu_s(pid: int) -> float:
    """CPU seconds of a process, all its threads; Linux numbers the clock of a process so (clock_getcpuclockid)."""
    return time.clock_gettime((~pid << 3) | 2)


def family_cpu_s(pid: int, besides: int = 0) -> float:
    """CPU seconds of a process and of all that descend from it and live; one of them, with its own, is left out."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    children = [int(child) for task in tasks for child in task.read_text().split()]
    return cpu_s(pid) + sum(family_cpu_s(child) for child in children if child != besides)


class BareLoop:
    """The same outputs by OpenCV and numpy alone, on one thread: files in memory, and nothing looked at on the way."""

    def __init__(self, body: bytes, maps: SegmentationMaps) -> None:
        self._body, self._maps = np.frombuffer(body, np.uint8), maps

    def __call__(self, options: SegmentOptions) -> list[bytes]:
        """One frame."""
        frame = cv2.cvtColor(cv2.imdecode(self._body, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        side = self._maps.probability.shape[0]
        cv2.resize(frame, (side, side), interpolation=cv2.INTER_AREA)
        size = (frame.shape[1], frame.shape[0]) if options.resolution == "frame" else (side, side)
        encode = {"png": _png, "npz": _npz}[options.encoding]
        return [encode(name, self._map(name, size)) for name in options.outputs]

    def _map(self, name: str, size: tuple[int, int]) -> Any:
        values = self._maps.probability if name == "mask" else getattr(self._maps, name)
        if size != values.shape:
            values = cv2.resize(values, size, interpolation=cv2.INTER_LINEAR)
        return values >= THRESHOLD if name == "mask" else values


def _png(name: str, values: Any) -> bytes:
    scale = 255.0 if name == "mask" else 255.0 / np.log(2.0)
    return cv2.imencode(".png", cv2.convertScaleAbs(values.astype(np.float32, copy=False), alpha=scale))[1].tobytes()


def _npz(name: str, values: Any) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **{name: values})
    return stream.getvalue()


@contextmanager
def in_process(release: Path, body: bytes) -> Iterator[Callable[[SegmentOptions], object]]:
    """The pipeline with the settings of the service, in this process and those that decode for it."""
    settings = Settings.load(model_dir=release)
    slot = ModelSlot(components.load(settings))
    estimator = components.service_time_estimator(settings, slot.model)
    metrics = components.instruments(slot)
    # Not asyncio.Runner: each `run` of it puts the task with all its result into words, for a signal's name.
    with components.pipeline(settings, slot, metrics, estimator) as pipeline, closing(asyncio.new_event_loop()) as loop:
        yield lambda options: loop.run_until_complete(pipeline.segment(body, options))


@contextmanager
def served(
    release: Path, body: bytes, command: tuple[str, ...] = ("service", "serve")
) -> Iterator[tuple[int, Callable[[SegmentOptions], object]]]:
    """The service's process id, and one frame posted to it on a connection that is kept."""
    server = Server(release, command=command)
    try:
        address = server.url.removeprefix("http://")
        with ExitStack() as stack:
            connection = http.client.HTTPConnection(address, timeout=30)
            stack.callback(connection.close)
            yield server.process.pid, partial(_post, connection, body)
    finally:
        server.end()


def _post(connection: http.client.HTTPConnection, body: bytes, options: SegmentOptions) -> bytes:
    query = f"outputs={','.join(options.outputs)}&resolution={options.resolution}&encoding={options.encoding}"
    connection.request("POST", f"/segment?{query}", body, {"Content-Type": "image/jpeg"})
    with connection.getresponse() as response:
        answer = response.read()
    assert response.status == 200, answer[:300]
    return answer


def per_frame_ms(work: Callable[[], object], frames: int, used_s: Callable[[], float]) -> float:
    """CPU milliseconds for one of so many frames."""
    before_s = used_s()
    for _ in range(frames):
        work()
    return 1e3 * (used_s() - before_s) / frames


def measure(body: bytes, kinds: Sequence[str], rounds: int, frames: int) -> list[Cost]:
    """All three in turn, so many rounds, after one to warm up."""
    cv2.setNumThreads(1)
    costs = [Cost(kind, [], [], []) for kind in kinds]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        release = build_null_release(Path(folder))
        model = components.load(Settings.load(model_dir=release)).model
        black = [np.zeros((model.manifest.input.size_px,) * 2 + (3,), np.uint8)]
        infer, bare = partial(model.predict, black), BareLoop(body, model.predict(black)[0])
        here = stack.enter_context(in_process(release, body))
        server, there = stack.enter_context(served(release, body))
        ours_s, theirs_s = partial(family_cpu_s, os.getpid(), server), partial(family_cpu_s, server)
        for number in range(rounds + 1):
            model_ms = per_frame_ms(infer, 5 * frames, ours_s)
            for cost in costs:
                options = KINDS[cost.kind]
                taken_ms = (
                    per_frame_ms(partial(bare, options), frames, ours_s),
                    per_frame_ms(partial(here, options), frames, ours_s) - model_ms,
                    per_frame_ms(partial(there, options), frames, theirs_s) - model_ms,
                )
                if number:
                    cost.add(*taken_ms)
    return costs


def table(costs: Sequence[Cost]) -> str:
    """A row a kind of answer: the least CPU milliseconds of any round, the median ratio and its spread."""
    lines = [
        "| outputs | bare OpenCV | in-process | over HTTP | ratio in-process | ratio over HTTP |",
        "| --- |" + 5 * " --- |",
    ]
    for cost in costs:
        least = " | ".join(f"{min(values):.1f} ms" for values in (cost.bare_ms, cost.in_process_ms, cost.http_ms))
        ratios = [cost.ratios(ours_ms) for ours_ms in (cost.in_process_ms, cost.http_ms)]
        told = " | ".join(f"{statistics.median(r):.2f} ({r[0]:.2f} to {r[-1]:.2f})" for r in ratios)
        lines.append(f"| {cost.kind} | {least} | {told} |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, nargs=2, default=(1280, 720), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--file", type=Path, help="a JPEG file instead of the rendered frame")
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frames", type=int, default=10, help="in each round, of each kind")
    chosen = parser.parse_args(arguments)
    body = chosen.file.read_bytes() if chosen.file else jpeg_of(camera_frame(*chosen.size))
    sys.stdout.write(table(measure(body, chosen.kinds, chosen.rounds, chosen.frames)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
