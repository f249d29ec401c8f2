"""What the model is given of one frame, the whole of it, its tiles where wanted and its close-ups, and its results made one."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np

from models.geometry import RGB, Region, fit, fit_map
from models.maps import SegmentationMaps
from models.tiles import merge, views, worth_tiling
from service.errors import InferenceFailed
from service.pipeline.options import SegmentOptions
from service.runtime.slot import InferenceResult, ModelSlot

ModelInputs = tuple[RGB, ...]
"""Each (size_px, size_px, 3) uint8; the whole frame first."""
InferenceResults = tuple[InferenceResult, ...]
"""One per view, all of them of one model."""


class CloseUpCount(NamedTuple):
    """Windows around small regions that were looked at from nearby, and those that were not: they failed, or would have been late."""

    looked: int
    skipped: int


class Looks(NamedTuple):
    """What the model said of one frame.

    Attributes:
        results: Of its inputs: of the whole, and of the tiles where there are any.
        windows: Around small smoke that they show.
        queue_s, run_s: How long all of it waited for the model, and took it.
        near: What the model said of the windows' close-ups; empty where that was not to be had.
    """

    results: InferenceResults
    windows: tuple[Region, ...]
    queue_s: float
    run_s: float
    near: InferenceResults = ()

    def with_close_ups(self, near: InferenceResults, queue_s: float, run_s: float) -> Self:
        """These and the windows' close-ups, which waited and ran so long."""
        return self._replace(near=near, queue_s=self.queue_s + queue_s, run_s=self.run_s + run_s)

    @property
    def close_ups(self) -> CloseUpCount:
        """How many there were."""
        return CloseUpCount(len(self.near), len(self.windows) - len(self.near))

    @property
    def merged(self) -> InferenceResult:
        """One answer for the frame: maps of the model's square, or those merged with the tiles', which are larger."""
        whole, model = self.results[0].prediction, self.results[0].model
        if len(self.results) > 1:
            return InferenceResult(merge([result.prediction for result in self.results]), model)
        if not (self.near and model.manifest.close_ups):
            return self.results[0]
        near = [result.prediction for result in self.near]
        return InferenceResult(model.manifest.close_ups.merge(whole, self.windows, near), model)


def model_inputs(frame: RGB, options: SegmentOptions, size_px: int) -> ModelInputs:
    """What the model is shown: the whole frame alone, unless tiles are wanted and would show more of it."""
    height, width = frame.shape[:2]
    if options.tiles and worth_tiling(width, height, size_px):
        return views(frame, size_px)
    return (fit(frame, size_px),)


def infer_each(slot: ModelSlot, asked: Sequence[ModelInputs]) -> list[InferenceResults]:
    """Have one model answer all the views of some frames, which fail together."""
    results = iter(slot.infer([view for inputs in asked for view in inputs]))
    return [tuple(itertools.islice(results, len(inputs))) for inputs in asked]


def check_numbers(results: InferenceResults) -> None:
    """Raises InferenceFailed where a map holds something that is no number."""
    if not all(np.isfinite(values).all() for result in results for values in result.prediction.maps):
        raise InferenceFailed("the model answered with something that is no number")


def resized_to_model(prediction: SegmentationMaps, size_px: int) -> SegmentationMaps:
    """The maps at the model's square: those of one input as they are, merged ones by their means over areas."""
    probability, total, aleatoric, epistemic = (fit_map(values, size_px) for values in prediction.maps)
    return SegmentationMaps(probability, total, aleatoric, epistemic, prediction.novelty)
