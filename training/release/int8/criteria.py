"""int8 beside fp32: how much faster it is and what it loses, against what a release may lose."""

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.geometry import RGB, fit
from models.manifest import Manifest
from models.maps import SegmentationMaps
from training.data.frames import REAL_SMOKE, SMOKE_FREE, Frame, load_image
from training.engine.onnx_model import Frames, OnnxModel
from training.evaluation.predictor import Predict, onnx_predictor
from training.evaluation.sampling_agreement import agreement, doubtful
from training.evaluation.scores import FrameScore, nearest_level, score_frames, summarise
from training.metrics import segmentation
from training.metrics.calibration import Calibration, reliability

SPEED, F_BETA, ECE, RANK = 1.4, 0.01, 0.002, 0.97
"""Times faster at least; F-beta and ECE lost at most; rank correlation of epistemic at least."""
_SMOKE_SHARE = 2 / 3
_ROUNDS = 10


@dataclass(frozen=True, slots=True)
class Criterion:
    """One thing that int8 is held to, and whether it holds."""

    name: str
    fp32: float
    int8: float
    found: float
    asked: str
    holds: bool


def calibration_frames(frames: Sequence[Frame], count: int) -> list[Frame]:
    """Real frames for calibrating activations, taken in turn from every camera group: two in three with smoke.

    Args:
        frames: Those of `train`.
        count: How many; fewer where there are fewer.
    """
    with_smoke = round(count * _SMOKE_SHARE)
    smoke = _in_turn([frame for frame in frames if frame.kind == REAL_SMOKE])[:with_smoke]
    free = _in_turn([frame for frame in frames if frame.kind in SMOKE_FREE])[: count - with_smoke]
    return smoke + free


def fitted(frames: Iterable[Frame], size_px: int) -> Iterable[Frames]:
    """The pictures as the graph takes them, one at a time: (1, size_px, size_px, 3) uint8."""
    return (np.ascontiguousarray(fit(load_image(frame.image), size_px))[None] for frame in frames)


def compare_precisions(manifest: Manifest, fp32: Path, int8: Path, frames: Sequence[Frame]) -> list[Criterion]:
    """Hold the int8 file against the float one.

    Args:
        manifest: Of the release: threshold, smallest region, size.
        fp32, int8: The files.
        frames: Scored; both models see each once.

    Returns:
        Speed, F-beta, ECE and rank correlation; speed alone where that does not hold.
    """
    speed = speed_criteria(fp32, int8, manifest.input.size_px)
    if not all(criterion.holds for criterion in speed):
        return speed
    rng = np.random.default_rng(0)
    places: list[npt.NDArray[Any]] = []
    epistemic: tuple[list[npt.NDArray[Any]], list[npt.NDArray[Any]]] = ([], [])

    def keep_float(maps: SegmentationMaps) -> None:
        places.append(doubtful(maps.total, rng))
        epistemic[0].append(maps.epistemic.ravel()[places[-1]])

    def keep_int8(maps: SegmentationMaps) -> None:
        epistemic[1].append(maps.epistemic.ravel()[places[len(epistemic[1])]])

    float_scores = _scores(fp32, keep_float, manifest, frames)
    int8_scores = _scores(int8, keep_int8, manifest, frames)
    rank = agreement(*(np.concatenate(values).astype(np.float64) for values in epistemic))["spearman"]
    return [
        *speed,
        *_accuracy(float_scores, int8_scores, nearest_level(manifest.threshold)),
        Criterion("rank correlation of epistemic", 1.0, rank, rank, f">= {RANK:g}", rank >= RANK),
    ]


def speed_criteria(fp32: Path, int8: Path, size_px: int) -> list[Criterion]:
    """Milliseconds of processor time a frame and their ratio, in turn in one run: one thread, and two where there are two cores.

    Processor time, since other work on the machine counts least in it; the medians of many rounds.
    """
    found = []
    for threads in range(1, min(_cores(), 2) + 1):
        slow, fast = (1000.0 * seconds for seconds in _in_rounds([fp32, int8], size_px, threads))
        name = f"ms of processor time, {threads} thread{'s' if threads > 1 else ''}"
        found.append(Criterion(name, slow, fast, slow / fast, f"{SPEED:g} times faster", slow / fast >= SPEED))
    return found


def table(criteria: Sequence[Criterion]) -> str:
    """The criteria as Markdown."""
    rows = [
        f"| {c.name} | {c.fp32:.4g} | {c.int8:.4g} | {c.found:.4g} | {c.asked} | {'yes' if c.holds else '**no**'} |"
        for c in criteria
    ]
    return "\n".join(["| | fp32 | int8 | found | asked | holds |", "| --- | --- | --- | --- | --- | --- |", *rows])


def as_numbers(criteria: Sequence[Criterion]) -> Mapping[str, float]:
    """What was found, for a manifest."""
    return {criterion.name: criterion.found for criterion in criteria}


def _accuracy(fp32: Sequence[FrameScore], int8: Sequence[FrameScore], level: int) -> list[Criterion]:
    before, after = summarise(fp32, level).f_beta, summarise(int8, level).f_beta
    error, int8_error = _ece(fp32), _ece(int8)
    lost, added = before - after, int8_error - error
    return [
        Criterion("F-beta at the threshold", before, after, lost, f"lost <= {F_BETA:g}", lost <= F_BETA),
        Criterion("ECE", error, int8_error, added, f"added <= {ECE:g}", added <= ECE),
    ]


def _in_turn(frames: Sequence[Frame]) -> list[Frame]:
    """One frame of every camera group, then another of every group; those of a group in any order, for neighbours look alike."""
    rng = np.random.default_rng(0)
    groups: dict[str, list[Frame]] = {}
    for position in rng.permutation(len(frames)):
        groups.setdefault(frames[position].group, []).append(frames[position])
    return [frame for row in zip_longest(*groups.values()) for frame in row if frame is not None]


def _scores(
    file: Path, keep: Callable[[SegmentationMaps], None], manifest: Manifest, frames: Sequence[Frame]
) -> list[FrameScore]:
    predict = _watched(onnx_predictor(OnnxModel(file)), keep)
    return score_frames(predict, frames, manifest.input.size_px, manifest.minimum_region)


def _watched(predict: Predict, keep: Callable[[SegmentationMaps], None]) -> Predict:
    """The same answers, each shown to `keep` as well."""

    def watched(frame: RGB) -> SegmentationMaps:
        maps = predict(frame)
        keep(maps)
        return maps

    return watched


def _ece(scores: Sequence[FrameScore]) -> float:
    """Over all pixels, of the probability as shown."""
    return segmentation.expected_calibration_error(
        reliability(np.asarray(sum(s.logits for s in scores)), Calibration())
    )


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
