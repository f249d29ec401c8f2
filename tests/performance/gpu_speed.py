"""What a GPU gives the service: `python -m tests.performance.gpu_speed`, with `onnxruntime-gpu` and a GPU that it can use.

The newest release as the service opens it, golden frame and all, on each provider in turn; a batch is timed from frames in the host's
memory to maps in the host's memory. Prints a table in Markdown.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from models.manifest import Manifest, newest_release
from service.runtime.process import gpu_memory
from service.runtime.providers import RuntimeOptions
from service.runtime.session import OnnxModel, open_model

_CPU = RuntimeOptions(provider="cpu", require="cpu", precision="fp32")
_CUDA = RuntimeOptions(provider="cuda", require="cuda", precision="fp32")
PLACEMENTS = {
    "CPU": _CPU,
    "CPU, fp16": replace(_CPU, precision="fp16"),
    "CUDA": _CUDA,
    "CUDA, memory claimed by doubling": replace(_CUDA, cuda_arena="doubling"),
    "CUDA without graphs": replace(_CUDA, cuda_graphs=False),
    "CUDA, fp16": replace(_CUDA, precision="fp16"),
    "CUDA, fp16, channels last": replace(_CUDA, precision="fp16", cuda_nhwc=True),
}
"""`require`: a provider that is not to be had ends the measurement, instead of another being measured under its name."""
_SIZES = (1, 2, 4, 8)
_WARM_UP = 5


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured of one placement: seconds until the model answers, milliseconds by batch size, bytes of GPU memory."""

    name: str
    opened_s: float
    batch_ms: dict[int, float]
    memory_bytes: float


def milliseconds(model: OnnxModel, size: int, rounds: int) -> float:
    """Median time of a batch of this size; where batches are of one frame, as on a CPU, of so many calls."""
    side = model.manifest.input.size_px
    rng = np.random.default_rng(1)
    frames = [rng.integers(0, 256, (side, side, 3), dtype=np.uint8) for _ in range(size)]
    batches = [frames] if model.batch_max >= size else [[frame] for frame in frames]
    taken = []
    for turn in range(_WARM_UP + rounds):
        started = time.perf_counter()
        for batch in batches:
            model.predict(batch)
        if turn >= _WARM_UP:
            taken.append(1e3 * (time.perf_counter() - started))
    return statistics.median(taken)


def possible(folder: Path, names: Iterable[str] = PLACEMENTS) -> list[str]:
    """The placements for which the release has a model."""
    models = Manifest.read(folder).models
    return [name for name in names if PLACEMENTS[name].precision in models]


def measure(name: str, options: RuntimeOptions, folder: Path, rounds: int) -> Row:
    """Open the release there and time it. Raises what `open_model` raises."""
    held = gpu_memory() or (lambda: float("nan"))
    before = held()
    started = time.perf_counter()
    model = open_model(folder, options)
    opened_s = time.perf_counter() - started
    batch_ms = {size: milliseconds(model, size, rounds) for size in _SIZES}
    return Row(name, opened_s, batch_ms, held() - before)


def table(rows: Sequence[Row]) -> str:
    """A row per placement."""
    lines = [
        f"| | ready after | {' | '.join(f'batch of {size}' for size in _SIZES)} | frames/s | GPU memory |",
        f"| --- | --- |{' --- |' * len(_SIZES)} --- | --- |",
    ]
    for row in rows:
        cells = " | ".join(f"{row.batch_ms[size]:.1f} ms" for size in _SIZES)
        rate = max(1e3 * size / taken for size, taken in row.batch_ms.items())
        lines.append(
            f"| {row.name} | {row.opened_s:.1f} s | {cells} | {rate:.0f} | {row.memory_bytes / 2**20:.0f} MiB |"
        )
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model-dir", type=Path, default=newest_release())
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument(
        "--placements", nargs="+", choices=list(PLACEMENTS), help="default: all that the release has a model for"
    )
    options = parser.parse_args(arguments)
    names = options.placements or possible(options.model_dir)
    rows = [measure(name, PLACEMENTS[name], options.model_dir, options.rounds) for name in names]
    sys.stdout.write(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
