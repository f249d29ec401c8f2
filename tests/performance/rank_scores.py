"""Whether `rank` finds what a model gets wrong: its score, and two that are nearly it, beside the errors on frames with masks.

    python -m tests.performance.rank_scores MODEL --data DATA --split all --every 3

MODEL must not have learnt from the frames.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.stats import spearmanr

from models.geometry import fit, fit_map, regions
from training.audit.ranking import knowledge_gap
from training.data.folders import frames_to_score
from training.data.frames import Frame, load_image, load_mask
from training.evaluation.predictor import Predictor, load_predictor
from training.metrics.failure_detection import auroc

SCORES = {
    "mean over the pixels not sure": 0.0,
    "root of their share x mean (rank)": 0.5,
    "their share x mean, the sum": 1.0,
}
"""The power of the share by which the mean is multiplied."""


class Seen(NamedTuple):
    """A frame: 1 - F-beta, or 1 for a false alarm; `knowledge_gap` and novelty of it; whether it shows smoke."""

    error: float
    score: float
    unsure: float
    smoke: bool
    novelty: float


def look(predictor: Predictor, frame: Frame) -> Seen:
    image = load_image(frame.image)
    maps = predictor.predict(fit(image, predictor.size_px))
    truth = fit_map(load_mask(frame, image.shape), predictor.size_px) >= 0.5
    found = maps.probability >= predictor.threshold
    error = float(bool(regions(found, predictor.minimum_region)[0]))
    if truth.any():
        error = 1.0 - 1.3 * float((found & truth).sum()) / float(found.sum() + 0.3 * truth.sum())
    return Seen(error, *knowledge_gap(maps), bool(truth.any()), math.nan if maps.novelty is None else maps.novelty)


def table(seen: Sequence[Seen]) -> str:
    """In Markdown: rank correlation with the error, and what of errors and false alarms comes first; equal scores in a random order."""
    error, score, unsure = (np.array([getattr(each, name) for each in seen]) for name in ("error", "score", "unsure"))
    alarms = np.array([not each.smoke and each.error > 0 for each in seen])
    lines = [
        "| score | Spearman | errors in the upper half | false alarms in the first fifth |",
        "| --- | --- | --- | --- |",
    ]
    mean = np.divide(score, np.sqrt(unsure), out=np.zeros_like(score), where=unsure > 0)
    for name, power in SCORES.items():
        values = mean * unsure**power
        shuffled = np.random.default_rng(0).permutation(len(seen))
        order = shuffled[np.argsort(-values[shuffled], kind="stable")]
        half, fifth = order[: len(seen) // 2], order[: len(seen) // 5]
        lines.append(
            f"| {name} | {spearmanr(values, error)[0]:.2f} | {error[half].sum() / error.sum():.0%} "
            f"| {alarms[fifth].sum()} of {alarms.sum()} |"
        )
    sure = [each for each in seen if not each.unsure]
    told = auroc([each.novelty for each in sure], [each.smoke for each in sure])
    lines.append(
        f"\nsure everywhere: {len(sure)} of {len(seen)} frames, {sum(each.smoke for each in sure)} of them with smoke, "
        f"more novel than the others with an AUROC of {told:.2f}"
    )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--split", choices=("train", "val", "all"), default="all")
    parser.add_argument("--every", type=int, default=1)
    options = parser.parse_args()
    predictor = load_predictor(options.model)
    predictor = predictor if predictor.threshold is not None else predictor._replace(threshold=0.5)
    frames = frames_to_score(options.data, options.split, None)[:: options.every]
    sys.stdout.write(table([look(predictor, frame) for frame in frames]) + "\n")


if __name__ == "__main__":
    main()
