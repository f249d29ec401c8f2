"""What the routes work with, put together once by `service.app`."""

from dataclasses import dataclass

from service.lifecycle import Lifecycle, Phase
from service.metrics import Metrics
from service.pipeline import Pipeline
from service.prediction import Model
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class Wiring:
    """Settings, model, pipeline, metrics and the door."""

    settings: Settings
    model: Model
    pipeline: Pipeline
    metrics: Metrics
    lifecycle: Lifecycle

    @property
    def ready(self) -> bool:
        """Whether a frame that arrived now would be answered."""
        return self.lifecycle.phase is Phase.READY and self.pipeline.alive
