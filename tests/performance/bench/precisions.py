"""What a release's int8 model brings: the service in fp32 and in int8, asked in turn, A B A B.

`python -m tests.performance.bench.precisions` prints a row for each number of clients, medians of the rounds. `wrk` asks.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from models.manifest import newest_release
from tests.performance.bench.load import Load, load
from tests.performance.bench.null_model import camera_frame, jpeg_of
from tests.performance.bench.systems import ours

PRECISIONS = ("fp32", "int8")
Loads = dict[tuple[int, str], list[Load]]
"""By number of clients and precision, one a round."""


def measure(release: Path, clients: Sequence[int], rounds: int, seconds: float) -> Loads:
    """Both precisions in turn, so many rounds after one to warm up; frames of 1280 x 720, three maps back."""
    found: Loads = {(count, precision): [] for count in clients for precision in PRECISIONS}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        frame = Path(folder) / "frame.jpg"
        frame.write_bytes(jpeg_of(camera_frame(1280, 720)))
        systems = {name: stack.enter_context(ours(release, "model", precision=name)) for name in PRECISIONS}
        for number in range(rounds + 1):
            for count, precision in found:
                taken = load(systems[precision], frame, count, seconds)
                if number:
                    found[count, precision].append(taken)
    return found


def table(found: Loads) -> str:
    """A row for each number of clients: frames a second with least and most, p50 and p99 in milliseconds."""
    lines = [f"| clients | {' | '.join(PRECISIONS)} |", "|" + (1 + len(PRECISIONS)) * " --- |"]
    for count in dict.fromkeys(count for count, _ in found):
        told = " | ".join(_told(found[count, precision]) for precision in PRECISIONS)
        lines.append(f"| {count} | {told} |")
    return "\n".join(lines) + "\n"


def _told(loads: Sequence[Load]) -> str:
    per_s = sorted(one.per_s for one in loads)
    p50_ms, p99_ms = (
        statistics.median(values) for values in zip(*((one.p50_ms, one.p99_ms) for one in loads), strict=True)
    )
    return f"{statistics.median(per_s):.1f} frames/s ({per_s[0]:.1f} to {per_s[-1]:.1f}); p50 {p50_ms:.0f}, p99 {p99_ms:.0f} ms"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model-dir", type=Path, default=newest_release(), metavar="DIR")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=5.0)
    chosen = parser.parse_args(arguments)
    sys.stdout.write(table(measure(chosen.model_dir, chosen.clients, chosen.rounds, chosen.seconds)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
