"""A second model beside the fp32 one: how much faster it is and what it loses, against what a release may lose."""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.geometry import fit
from models.manifest import Manifest
from models.maps import SegmentationMaps
from training.data.frames import Frame, load_image
from training.engine.onnx_model import OnnxModel
from training.evaluation.predictor import Predict, Predictor, cached, onnx_predictor
from training.evaluation.sampling_agreement import agreement, doubtful
from training.evaluation.scores import FrameScore, nearest_level, score_frames, summarise
from training.metrics import segmentation
from training.metrics.calibration import reliability

_ROUNDS = 10


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a second model is held to.

    Attributes:
        f_beta, ece: Furthest from fp32.
        rank: Least rank correlation of epistemic with fp32.
        speed: Times faster at least, on a CPU; None where that is not what it is for.
    """

    f_beta: float
    ece: float
    rank: float
    speed: float | None = None


BOUNDS = {
    "int8": Bounds(f_beta=0.01, ece=0.002, rank=0.97, speed=1.4),
    "fp16": Bounds(f_beta=0.003, ece=0.001, rank=0.99),
}


@dataclass(frozen=True, slots=True)
class Criterion:
    """One thing that the second model is held to, and whether it holds."""

    name: str
    fp32: float
    second: float
    found: float
    asked: str
    holds: bool


class _Seen(NamedTuple):
    """What a file makes of frames: their scores; of whole frames epistemic in nats at the doubtful pixels, and novelty."""

    scores: list[FrameScore]
    epistemic: list[npt.NDArray[np.float64]]
    novelty: list[float | None]


def compare_precisions(
    manifest: Manifest, fp32: Path, second: Path, frames: Sequence[Frame], bounds: Bounds
) -> list[Criterion]:
    """Hold a second model against the float one.

    Args:
        manifest: Of the release: threshold, smallest region, size, close-ups.
        fp32, second: The files.
        frames: Scored, each model by its own close-ups; the rank is of whole frames.
        bounds: What the second is held to.

    Returns:
        Speed where it is bounded, F-beta, ECE and rank correlation; speed alone where that does not hold.
    """
    speed = speed_criteria(fp32, second, manifest.input.size_px, bounds.speed) if bounds.speed is not None else []
    if not all(criterion.holds for criterion in speed):
        return speed
    before, after = _seen(manifest, (fp32, second), frames)
    ranked = {"epistemic": [np.concatenate(seen.epistemic) for seen in (before, after)]}
    if manifest.novelty_limit is not None:
        ranked["novelty"] = [np.array(seen.novelty, np.float64) for seen in (before, after)]
    return [
        *speed,
        *_accuracy(before.scores, after.scores, nearest_level(manifest.threshold), bounds),
        *(_rank(name, first, other, bounds.rank) for name, (first, other) in ranked.items()),
    ]


def _rank(of: str, fp32: npt.NDArray[np.float64], second: npt.NDArray[np.float64], least: float) -> Criterion:
    rank = agreement(fp32, second)["spearman"]
    return Criterion(f"rank correlation of {of}", 1.0, rank, rank, f">= {least:g}", rank >= least)


def speed_criteria(fp32: Path, second: Path, size_px: int, least: float) -> list[Criterion]:
    """Milliseconds of processor time a frame and their ratio, in turn in one run: one thread, and two where there are two cores.

    Processor time, since other work on the machine counts least in it; the medians of many rounds.
    """
    found = []
    for threads in range(1, min(_cores(), 2) + 1):
        slow, fast = (1000.0 * seconds for seconds in _in_rounds([fp32, second], size_px, threads))
        name = f"ms of processor time, {threads} thread{'s' if threads > 1 else ''}"
        found.append(Criterion(name, slow, fast, slow / fast, f"{least:g} times faster", slow / fast >= least))
    return found


def table(criteria: Sequence[Criterion], precision: str) -> str:
    """The criteria as Markdown."""
    rows = [
        f"| {c.name} | {c.fp32:.4g} | {c.second:.4g} | {c.found:.4g} | {c.asked} | {'yes' if c.holds else '**no**'} |"
        for c in criteria
    ]
    head = [f"| | fp32 | {precision} | found | asked | holds |", "| --- | --- | --- | --- | --- | --- |"]
    return "\n".join([*head, *rows])


def as_numbers(criteria: Sequence[Criterion]) -> Mapping[str, float]:
    """What was found, for a manifest."""
    return {criterion.name: criterion.found for criterion in criteria}


def _accuracy(fp32: Sequence[FrameScore], second: Sequence[FrameScore], level: int, bounds: Bounds) -> list[Criterion]:
    before, after = summarise(fp32, level).f_beta, summarise(second, level).f_beta
    error, second_error = _ece(fp32), _ece(second)
    lost, added = before - after, second_error - error
    return [
        Criterion(
            "F-beta at the threshold", before, after, lost, f"within {bounds.f_beta:g}", abs(lost) <= bounds.f_beta
        ),
        Criterion("ECE", error, second_error, added, f"within {bounds.ece:g}", abs(added) <= bounds.ece),
    ]


def _seen(manifest: Manifest, files: Sequence[Path], frames: Sequence[Frame]) -> list[_Seen]:
    """What each file makes of the frames; the first says which pixels are in doubt."""
    rng = np.random.default_rng(0)
    models = [onnx_predictor(OnnxModel(file)) for file in files]
    seen = [_Seen([], [], []) for _ in files]
    for frame in frames:
        looks = [_look(predict, manifest, frame) for predict in models]
        chosen = doubtful(looks[0][1].total, rng)
        for own, (score, whole) in zip(seen, looks, strict=True):
            own.scores.append(score)
            own.epistemic.append(whole.epistemic.ravel()[chosen].astype(np.float64))
            own.novelty.append(whole.novelty)
    return seen


def _look(predict: Predict, manifest: Manifest, frame: Frame) -> tuple[FrameScore, SegmentationMaps]:
    """The score of what a user is shown, close-ups and all, and the maps of the whole frame as the file gives them."""
    once, size_px = cached(predict), manifest.input.size_px
    shown = Predictor(once, size_px, manifest.minimum_region, manifest.threshold, "", close_ups=manifest.close_ups)
    (score,) = score_frames(shown, [frame])
    return score, once(fit(load_image(frame.image), size_px))


def _ece(scores: Sequence[FrameScore]) -> float:
    """Over all pixels, of the probability as shown."""
    return segmentation.expected_calibration_error(reliability(np.asarray(sum(s.logits for s in scores))))


def _in_rounds(files: Sequence[Path], size_px: int, threads: int) -> list[float]:
    """Median processor time of one frame in seconds, the models in turn."""
    models = [OnnxModel(file, threads) for file in files]
    frame = np.random.default_rng(0).integers(0, 256, (1, size_px, size_px, 3), np.uint8)
    taken: list[list[float]] = [[] for _ in models]
    for _ in range(_ROUNDS + 1):
        for model, times in zip(models, taken, strict=True):
            started = time.process_time()
            model.run(frame)
            times.append(time.process_time() - started)
    return [float(np.median(times[1:])) for times in taken]


def _cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
