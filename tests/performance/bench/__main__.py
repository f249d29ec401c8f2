"""`make bench`: this service and what a user would pick instead, the same work from the same ONNX file, on this machine.

JPEG in as a form; mask, total and aleatoric as PNG out in JSON. `--full` takes about an hour, and wants a machine that does nothing
else; without it some minutes show that it works. The load average is printed with the tables. `--null` takes a model that does next to
nothing, so that what surrounds it is compared.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from itertools import product
from pathlib import Path

from models.manifest import newest_release
from service.runtime.process import cores
from tests.performance.bench.load import check_same, load, maps_of
from tests.performance.bench.null_model import build_null_release, camera_frame, jpeg_of
from tests.performance.bench.plan import CROWD, FULL, QUICK, Plan, Scene
from tests.performance.bench.plots import draw
from tests.performance.bench.results import Ground, Results
from tests.performance.bench.roofline import folder_pace, loop
from tests.performance.bench.systems import OURS, PEERS, Peer, ours, peer
from tests.performance.bench.tables import ground_table, settings_table, systems_table

_WARM_UP_S = 2.0


def bench(plan: Plan, release: Path, peers: Sequence[str], folder: Path) -> Results:
    """Measure; `folder` gets the frames."""
    results = Results(settings={OURS: "as it comes, limits raised until nobody is refused"})
    best = [_best(name, release, plan, folder) for name in peers]
    results.settings.update({chosen.label: f"workers {chosen.workers}, threads {chosen.threads}" for chosen, _ in best})
    chosen = [setting for setting, _ in best]
    if best:
        fastest = max(best, key=lambda found: found[1])[0]
        chosen.append(Peer(fastest.name, fastest.workers, fastest.threads, png="service"))
        results.settings[chosen[-1].label] = f"as {fastest.name}, PNG files by the service's writer"
    for frame, resolution in dict.fromkeys((scene.frame, scene.resolution) for scene in plan.scenes):
        results.grounds[frame, resolution] = _ground(plan, release, _frame(folder, frame), resolution)
    for resolution in dict.fromkeys(scene.resolution for scene in plan.scenes):
        scenes = [scene for scene in plan.scenes if scene.resolution == resolution]
        _measure(results, plan, scenes, release, chosen, folder)
    return results


def _measure(
    results: Results, plan: Plan, scenes: Sequence[Scene], release: Path, peers: Sequence[Peer], folder: Path
) -> None:
    """Every system in turn, round after round, all of them up all the time."""
    resolution = scenes[0].resolution
    with ExitStack() as stack:
        systems = {OURS: stack.enter_context(ours(release, resolution))}
        for chosen in peers:
            systems[chosen.label] = stack.enter_context(peer(chosen, release, resolution))
        expected = maps_of(systems[OURS], _frame(folder, scenes[0].frame))
        for name, system in systems.items():
            check_same(expected, maps_of(system, _frame(folder, scenes[0].frame)), name)
            load(system, _frame(folder, scenes[0].frame), 4, _WARM_UP_S)
        for scene, number in product(scenes, range(plan.rounds)):
            _say(f"{scene.frame}, {scene.resolution}, {scene.clients} clients: round {number + 1} of {plan.rounds}")
            for name, system in systems.items():
                results.add(
                    scene, name, load(system, _frame(folder, scene.frame), scene.clients, plan.stretch_s(scene))
                )


def _best(name: str, release: Path, plan: Plan, folder: Path) -> tuple[Peer, float]:
    """A peer's best of {1, 2 workers} x {1, 2 threads}, and its frames/s."""
    found = {}
    for workers, threads in product((1, 2), (1, 2)):
        chosen = Peer(name, workers, threads)
        with peer(chosen, release, "model") as system:
            load(system, _frame(folder, "1280x720"), 4, _WARM_UP_S)
            found[chosen] = load(system, _frame(folder, "1280x720"), CROWD, plan.choose_s).per_s
        _say(f"{name}, workers {workers}, threads {threads}: {found[chosen]:.1f} frames/s")
    return max(found.items(), key=lambda item: item[1])


def _ground(plan: Plan, release: Path, frame: Path, resolution: str) -> Ground:
    loops = [loop(release, frame, resolution, threads, plan.loop_s) for threads in (1, cores())]
    segmented = folder_pace(release, frame, resolution, plan.folder_frames).per_s if plan.folder_frames else None
    return Ground(*loops, segmented)


def _frame(folder: Path, size: str) -> Path:
    """A rendered frame of a size as a JPEG file."""
    file = folder / f"{size}.jpg"
    if not file.exists():
        width, height = map(int, size.split("x"))
        file.write_bytes(jpeg_of(camera_frame(width, height)))
    return file


def report(results: Results, machine: str) -> str:
    """All tables."""
    parts = (machine, systems_table(results), ground_table(results), settings_table(results))
    return "\n".join(parts)


def write(results: Results, machine: str, out: Path) -> None:
    """The tables, the plots, and the numbers of each round as JSON."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "bench.md").write_text(report(results, machine), encoding="utf-8")
    numbers = {
        "machine": machine,
        "settings": results.settings,
        "loads": [
            {**asdict(scene), "system": system, "rounds": [asdict(one) for one in loads]}
            for (scene, system), loads in results.loads.items()
        ],
        "grounds": {", ".join(key): asdict(ground) for key, ground in results.grounds.items()},
    }
    (out / "bench.json").write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
    draw(results, out / "bench.png")


def _machine(before: float) -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    name = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())
    loads = f"load average before {before:.1f}, after {os.getloadavg()[0]:.1f}"
    return f"{time.strftime('%Y-%m-%d')}, {cores()} cores of {name}; {loads}.\n"


def _say(words: str) -> None:
    sys.stderr.write(f"{words}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and write; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="every frame size, both sizes of maps, 1 to 256 clients")
    parser.add_argument("--null", action="store_true", help="a model that does next to nothing")
    parser.add_argument("--model-dir", type=Path, default=newest_release(), metavar="DIR")
    parser.add_argument("--peers", nargs="*", choices=list(PEERS), default=list(PEERS))
    parser.add_argument("--out", type=Path, default=Path("runs/bench"), metavar="DIR", help="default runs/bench")
    chosen = parser.parse_args(arguments)
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        release = build_null_release(Path(folder)) if chosen.null else chosen.model_dir
        results = bench(FULL if chosen.full else QUICK, release, chosen.peers, Path(folder))
    machine = _machine(before)
    write(results, machine, chosen.out)
    sys.stdout.write(report(results, machine))
    return 0


if __name__ == "__main__":
    sys.exit(main())
