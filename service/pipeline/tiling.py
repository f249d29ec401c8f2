"""What the model is shown of one frame, and its answers made one again: the whole frame, and its tiles where they are wanted."""

import itertools
from collections.abc import Sequence

from models.geometry import RGB, fit, fit_map
from models.maps import SegmentationMaps
from models.tiles import merge, views, worth_tiling
from service.pipeline.options import Order
from service.runtime.slot import InferenceResult, ModelSlot

Views = tuple[RGB, ...]
"""Each (size_px, size_px, 3) uint8; the whole frame first."""
Answers = tuple[InferenceResult, ...]
"""One per view, all of them of one model."""


def show(frame: RGB, order: Order, size_px: int) -> Views:
    """What is looked at: the whole frame alone, unless tiles are wanted and would show more of it."""
    height, width = frame.shape[:2]
    if order.tiles and worth_tiling(width, height, size_px):
        return views(frame, size_px)
    return (fit(frame, size_px),)


def answer_each(slot: ModelSlot, asked: Sequence[Views]) -> list[Answers]:
    """Have one model answer all the views of some frames, which fail together."""
    answers = iter(slot.infer([view for shown in asked for view in shown]))
    return [tuple(itertools.islice(answers, len(shown))) for shown in asked]


def unite(answers: Answers) -> InferenceResult:
    """One answer for the frame: maps of the model's square, or those merged, which are larger; see `models.tiles.merge`."""
    if len(answers) == 1:
        return answers[0]
    return InferenceResult(merge([answer.prediction for answer in answers]), answers[0].model)


def at_model_size(prediction: SegmentationMaps, size_px: int) -> SegmentationMaps:
    """The maps at the model's square: those of one look as they are, merged ones by their means over areas."""
    maps = (prediction.probability, prediction.total, prediction.aleatoric, prediction.epistemic)
    return SegmentationMaps(*(fit_map(values, size_px) for values in maps))
