"""The results in Markdown."""

import math
from collections.abc import Iterable, Iterator, Sequence

from tests.performance.bench.plan import Scene
from tests.performance.bench.results import Ground, Ratio, Results
from tests.performance.bench.systems import OURS


def systems_table(results: Results) -> str:
    """A row a scene and system."""
    head = ("frame, maps", "clients", "system", "frames/s", "of the roofline", "p50", "p99", "frames/s: ours / its")
    head += ("p99: ours / its", "refused, broken", "memory", "generator")
    return _table(head, _system_rows(results))


def ground_table(results: Results) -> str:
    """A row a frame size and size of maps: what the work itself costs, and a folder of frames."""
    head = (
        "frame, maps",
        "decode",
        "inference",
        "encode",
        "roofline",
        "a loop's frame, all cores",
        "`smoke-bvm segment`",
    )
    return _table(head, _ground_rows(results))


def settings_table(results: Results) -> str:
    """What each system was run with."""
    return _table(("system", "run with"), results.settings.items())


def _system_rows(results: Results) -> Iterator[tuple[str, ...]]:
    for scene in results.scenes:
        ground = results.ground(scene)
        for system in results.systems(scene):
            loads = results.loads[scene, system]
            per_s, p50_ms, p99_ms, share, memory = (
                results.median(scene, system, quantity)
                for quantity in ("per_s", "p50_ms", "p99_ms", "generator_share", "memory_mib")
            )
            yield (
                f"{scene.frame}, {scene.resolution}",
                str(scene.clients),
                system,
                f"{per_s:.1f}",
                f"{per_s / ground.one_thread.roofline_per_s:.2f}",
                f"{p50_ms:.0f} ms" + _of_the_loop(scene, p50_ms, ground),
                f"{p99_ms:.0f} ms",
                *("-" if system == OURS else _spread(results.ratio(scene, system, it)) for it in ("per_s", "p99_ms")),
                f"{sum(load.refused for load in loads)}, {sum(load.broken for load in loads)}",
                f"{memory:.0f} MiB",
                f"{share:.1%}",
            )


def _of_the_loop(scene: Scene, p50_ms: float, ground: Ground) -> str:
    """A lone client's wait beside that for the bare work on all cores."""
    return f" ({p50_ms / ground.all_threads.p50_ms:.2f} x the loop)" if scene.clients == 1 else ""


def _ground_rows(results: Results) -> Iterator[tuple[str, ...]]:
    for (frame, resolution), ground in results.grounds.items():
        loop = ground.one_thread
        folder = ground.folder_per_s
        yield (
            f"{frame}, {resolution}",
            *(f"{1e3 * seconds:.1f} ms" for seconds in loop.cpu_s.values()),
            f"{loop.roofline_per_s:.1f} frames/s",
            f"{ground.all_threads.p50_ms:.0f} ms",
            "-" if folder is None else f"{folder:.1f} frames/s, {folder / loop.roofline_per_s:.2f} of it",
        )


def _spread(ratio: Ratio) -> str:
    if math.isnan(ratio.median):
        return "no answers"
    return f"{ratio.median:.2f} ({ratio.least:.2f} to {ratio.largest:.2f})"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines) + "\n"
