"""What was measured, and ratios of it: this service over another system, round by round."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.performance.bench.load import Load
from tests.performance.bench.plan import Scene
from tests.performance.bench.roofline import Loop
from tests.performance.bench.systems import OURS


class Ratio(NamedTuple):
    """Median, least and largest of the rounds' ratios."""

    median: float
    least: float
    largest: float


@dataclass(frozen=True, slots=True)
class Ground:
    """What holds for a frame size and a size of maps: the loop on one thread, that on all, and `smoke-bvm segment`."""

    one_thread: Loop
    all_threads: Loop
    folder_per_s: float | None


@dataclass(frozen=True, slots=True)
class Results:
    """Of a whole run.

    Attributes:
        loads: By scene and system, a round each.
        grounds: By frame size and size of the maps.
        settings: By system, what it was run with.
    """

    loads: dict[tuple[Scene, str], list[Load]] = field(default_factory=dict)
    grounds: dict[tuple[str, str], Ground] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)

    def add(self, scene: Scene, system: str, load: Load) -> None:
        """One round more."""
        self.loads.setdefault((scene, system), []).append(load)

    @property
    def scenes(self) -> list[Scene]:
        """In the order in which they were measured."""
        return list(dict.fromkeys(scene for scene, _ in self.loads))

    def systems(self, scene: Scene) -> list[str]:
        """Those that were measured, this service first."""
        return [system for known, system in self.loads if known == scene]

    def ground(self, scene: Scene) -> Ground:
        """What holds for the scene's frames and maps."""
        return self.grounds[scene.frame, scene.resolution]

    def median(self, scene: Scene, system: str, quantity: str) -> float:
        """Of the rounds; `quantity` is a field of `Load`."""
        return statistics.median(values(self.loads[scene, system], quantity))

    def ratio(self, scene: Scene, system: str, quantity: str) -> Ratio:
        """This service's over the other's, in the same rounds."""
        pairs = zip(values(self.loads[scene, OURS], quantity), values(self.loads[scene, system], quantity), strict=True)
        ratios = [ours / its if its else float("nan") for ours, its in pairs]
        return Ratio(statistics.median(ratios), min(ratios), max(ratios))


def values(loads: Iterable[Load], quantity: str) -> Sequence[float]:
    """One field of each."""
    return [getattr(load, quantity) for load in loads]
