"""`make gpu-check`: whether all of it works on a GPU host, and how fast: train, export, answer as a CPU does, batches, served frames.

The preset `tiny` is trained on the GPU, on frames that are rendered, and exported, with an fp16 model; that release and the newest one
must answer their golden frames there as they did on a CPU when they were made, in each precision that they have for a GPU. Then batches
and served frames of the newest release are timed in each. With `--data` the paper's configuration is also trained for twenty steps. A
table is printed and written; a step that fails is told, and those that do not need it go on. `--device cpu` goes through all of it
without a GPU.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from models import golden
from models.manifest import OUTPUTS, Manifest, newest_release
from service.errors import in_one_line
from service.runtime.providers import RuntimeOptions
from service.runtime.session import open_model
from tests.end_to_end.conftest import Server
from tests.performance import gpu_speed, paper_preset
from tests.performance.bench.load import Load, load
from tests.performance.bench.null_model import camera_frame, jpeg_of
from tests.performance.bench.systems import ROOT, Running
from tests.training.rendered import write_data_folder
from training.commands.config_file import read_config

_CLIENTS = (1, 16, 48)
_PLACEMENTS = {
    "cpu": ("CPU", "CPU, fp16"),
    "cuda": ("CPU", "CUDA", "CUDA without graphs", "CUDA, fp16", "CUDA, fp16, channels last"),
}
_STEPS = 20


@dataclass(slots=True)
class Report:
    """What came of each step, and the tables."""

    lines: list[tuple[str, str, float]] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    failed: bool = False

    @contextmanager
    def step(self, name: str) -> Iterator[list[str]]:
        """A step: words put into what it gives are its result; what it raises is told, and does not go on."""
        words: list[str] = []
        started_s = time.monotonic()
        try:
            yield words
        except Exception as error:  # noqa: BLE001 - whatever fails, the other steps are of interest
            self.failed = True
            words.append(f"failed: {in_one_line(error)}")
        self.lines.append((name, "; ".join(words), time.monotonic() - started_s))

    def text(self, device: str) -> str:
        """In Markdown."""
        rows = [f"| {name} | {words} | {seconds:.0f} s |" for name, words, seconds in self.lines]
        return "\n".join([f"| on {device} | result | took |", "| --- | --- | --- |", *rows, "", *self.tables])


def check(device: str, newest: Path, data: Path | None, rounds: int, seconds: float, wrk: str) -> Report:
    """All steps, on `cpu` or `cuda`."""
    report = Report()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with report.step("train `tiny`") as words:
            words.append(_train(device, folder))
        with report.step("export it") as words:
            words.append(_run("export", str(folder / "run/last.ckpt"), "--version", "0.0.1", "--out", str(folder)))
        with report.step("make its fp16 model") as words:
            given = ("--precision", "fp16", "--data", str(folder / "data"), "--out", str(folder / "fp16"))
            words.append(_run("quantise", str(folder / "smoke-tiny-0.0.1"), *given))
        tiny = ((folder / "smoke-tiny-0.0.1", "fp32"), (folder / "fp16/smoke-tiny-0.0.1", "fp16"))
        for release, precision in (*tiny, *((newest, precision) for precision in precisions(newest))):
            with report.step(f"golden frame of {release.name} in {precision}, beside the CPU's answer") as words:
                words.append(differences(release, device, precision))
        if data:
            with report.step(f"{_STEPS} steps of `paper`") as words:
                words.append(_paper(device, data))
        with report.step("batches") as words:
            rows = [
                gpu_speed.measure(placement, gpu_speed.PLACEMENTS[placement], newest, rounds)
                for placement in gpu_speed.possible(newest, _PLACEMENTS[device])
            ]
            report.tables.append(gpu_speed.table(rows))
            words.append(f"{len(rows)} placements, see below")
        with report.step("served frames") as words:
            loads = {name: served(newest, device, name, folder, seconds, wrk) for name in precisions(newest)}
            report.tables.append(served_table(loads))
            words.append(f"{' and '.join(map(str, _CLIENTS))} clients, see below")
    return report


def _train(device: str, folder: Path) -> str:
    data = write_data_folder(folder / "data")
    return _run(*("train", "tiny", "--data", str(data), "--set", f"accelerator={device}", "--out", str(folder / "run")))


def _run(*arguments: str) -> str:
    """A command of `smoke-bvm-train`. Raises RuntimeError, with its last words, where it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "training", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    if done.returncode:
        raise RuntimeError(f"exit code {done.returncode}: {' '.join(said[-3:])}")
    return "done"


def precisions(release: Path) -> list[str]:
    """What a release can be run in on a GPU."""
    models = Manifest.read(release).models
    return [precision for precision in ("fp32", "fp16") if precision in models]


def differences(release: Path, device: str, precision: str) -> str:
    """Largest difference of each map from that which the release keeps; more than it allows is an error."""
    model = open_model(release, RuntimeOptions(provider=device, require=device, precision=precision))
    promised = model.manifest.goldens.get(precision, model.manifest.golden)
    frame, expected = golden.read(release, promised, model.manifest.input.size_px)
    (found,) = model.predict([frame])
    apart = {name: float(np.abs(getattr(found, name) - expected[name]).max()) for name in OUTPUTS}
    told = ", ".join(f"{name} {difference:.1e}" for name, difference in apart.items())
    return f"at most {told} apart ({promised.tolerance:g} allowed), every batch size checked"


def _paper(device: str, data: Path) -> str:
    config = read_config(Path("paper"), ["workers=0", "network.encoder_weights=none", f"accelerator={device}"])
    first, last = paper_preset.fall(paper_preset.losses_on_one_batch(config, data, _STEPS))
    if not last < first:
        raise RuntimeError(f"the loss went from {first:.4f} to {last:.4f}, expected it to fall")
    return f"loss from {first:.4f} to {last:.4f}"


def served(release: Path, device: str, precision: str, folder: Path, seconds: float, wrk: str) -> dict[int, Load]:
    """Frames of 1280 x 720 as JPEG, the mask back, by so many clients on the same machine."""
    if shutil.which(wrk) is None:
        raise RuntimeError(f"found no {wrk}, expected the load generator: apt-get install wrk, or --wrk PATH")
    frame = folder / "frame.jpg"
    frame.write_bytes(jpeg_of(camera_frame(1280, 720)))
    server = Server(release, SMOKE_PROVIDER=device, SMOKE_REQUIRE_PROVIDER=device, SMOKE_PRECISION=precision)
    try:
        system = Running(f"{server.url}/segment?outputs=mask", server.process.pid)
        load(system, frame, 4, 1, wrk)
        return {clients: load(system, frame, clients, seconds, wrk) for clients in _CLIENTS}
    finally:
        server.end()


def served_table(loads: dict[str, dict[int, Load]]) -> str:
    """A row a number of clients, precision by precision."""
    lines = [
        "| | clients | frames/s | median | 99th percentile | refused, broken |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for precision, by_clients in loads.items():
        for clients, one in by_clients.items():
            times = f"{one.p50_ms:.0f} ms | {one.p99_ms:.0f} ms"
            lines.append(f"| {precision} | {clients} | {one.per_s:.0f} | {times} | {one.refused}, {one.broken} |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Check, print and write; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=list(_PLACEMENTS), default="cuda")
    parser.add_argument("--release", type=Path, help="release folder (default: the newest)")
    parser.add_argument("--data", type=Path, help="data folder for the paper's configuration")
    parser.add_argument("--rounds", type=int, default=100, help="of each batch size")
    parser.add_argument("--seconds", type=float, default=10.0, help="for each number of clients")
    parser.add_argument("--wrk", default="wrk", metavar="PATH", help="the load generator")
    parser.add_argument("--out", type=Path, default=Path("runs/gpu-check.md"), metavar="FILE")
    chosen = parser.parse_args(arguments)
    report = check(
        chosen.device, chosen.release or newest_release(), chosen.data, chosen.rounds, chosen.seconds, chosen.wrk
    )
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(report.text(chosen.device), encoding="utf-8")
    sys.stdout.write(report.text(chosen.device))
    return int(report.failed)


if __name__ == "__main__":
    sys.exit(main())
