"""The results as pictures: throughput and p99 against clients, and throughput by frame size and size of the maps."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tests.performance.bench.plan import CROWD, Scene
from tests.performance.bench.results import Results


def draw(results: Results, file: Path) -> None:
    """Write a PNG with four panels; one of which nothing was measured stays empty."""
    figure = Figure((12, 8), layout="constrained")
    (throughput, latency), (sizes, at_frame) = figure.subplots(2, 2)
    middle = [scene for scene in results.scenes if (scene.frame, scene.resolution) == ("1280x720", "model")]
    _by_clients(throughput, results, middle, "per_s")
    _by_clients(latency, results, middle, "p99_ms")
    throughput.set_ylabel("frames/s")
    latency.set(ylabel="p99 in ms", yscale="log")
    if middle:
        per_s = results.ground(middle[0]).one_thread.roofline_per_s
        throughput.axhline(per_s, color="grey", linestyle="--", label="roofline")
    for axes, resolution in ((sizes, "model"), (at_frame, "frame")):
        scenes = [scene for scene in results.scenes if (scene.resolution, scene.clients) == (resolution, CROWD)]
        _by_size(axes, results, sorted(scenes, key=lambda scene: scene.width))
        axes.set(ylabel="frames/s", title=f"{CROWD} clients, maps at the {resolution}'s size")
    for axes in (throughput, latency, sizes, at_frame):
        if axes.get_legend_handles_labels()[1]:
            axes.legend(fontsize="small")
    figure.savefig(file, dpi=100)


def _by_clients(axes: Axes, results: Results, scenes: list[Scene], quantity: str) -> None:
    for system in _systems(results, scenes):
        known = sorted((scene.clients, results.median(scene, system, quantity)) for scene in scenes)
        axes.plot(*zip(*known, strict=True), marker="o", label=system)
    axes.set(xlabel="clients", xscale="log", title="1280x720, maps at the model's size")
    clients = sorted(scene.clients for scene in scenes)
    axes.set_xticks(clients, [str(number) for number in clients], minor=False)
    axes.minorticks_off()


def _by_size(axes: Axes, results: Results, scenes: list[Scene]) -> None:
    systems = _systems(results, scenes)
    width = 0.8 / max(1, len(systems))
    for number, system in enumerate(systems):
        heights = [results.median(scene, system, "per_s") for scene in scenes]
        axes.bar([place + number * width for place in range(len(scenes))], heights, width, label=system)
    axes.set_xticks([place + 0.4 - width / 2 for place in range(len(scenes))], [scene.frame for scene in scenes])


def _systems(results: Results, scenes: list[Scene]) -> list[str]:
    return results.systems(scenes[0]) if scenes else []
