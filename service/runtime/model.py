"""What a model says about one frame, and what the service asks of a model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from models.geometry import RGB
from models.manifest import NOVELTY, OUTPUTS, Manifest
from models.maps import SegmentationMaps


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Which weights answered, and where they ran."""

    name: str
    version: str
    sha256: str
    provider: str
    precision: str


def graph_outputs(manifest: Manifest) -> tuple[str, ...]:
    """Names of a graph's outputs, in the order of `SegmentationMaps.of`: the maps, and novelty where the manifest has a limit of it."""
    return OUTPUTS if manifest.novelty_limit is None else (*OUTPUTS, NOVELTY)


class Model(Protocol):
    """A released model that is loaded and checked.

    Attributes:
        manifest: What it promises.
        identity: Who it is.
        runners: How many threads may call `predict` at once with profit.
        batch_sizes: How many frames a call is worked on as; a smaller one is padded to the next.
        batch_max: Most frames in one call: the last of them.
    """

    @property
    def manifest(self) -> Manifest: ...  # noqa: D102

    @property
    def identity(self) -> ModelInfo: ...  # noqa: D102

    @property
    def runners(self) -> int: ...  # noqa: D102

    @property
    def batch_sizes(self) -> tuple[int, ...]: ...  # noqa: D102

    @property
    def batch_max(self) -> int: ...  # noqa: D102

    def predict(self, frames: Sequence[RGB]) -> list[SegmentationMaps]:
        """One prediction per frame of (size_px, size_px, 3) uint8, in their order; safe from several threads."""
        ...
