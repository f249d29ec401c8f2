"""Which frames to label next: those of which the model knows least, each scene once."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from models.maps import SegmentationMaps
from training.audit.descriptor import Descriptors, nearest, scene_descriptor
from training.data.files import DataError
from training.data.frames import load_image
from training.metrics.calibration import UNSURE

_SAME = 0.9999
"""Correlation of a picture with itself, less what rounding takes."""


class Alike(NamedTuple):
    """What a picture is a near-duplicate of, and their correlation."""

    file: Path
    correlation: float


@dataclass(frozen=True, slots=True)
class Scored:
    """A picture and what the model knows of it: see `knowledge_gap`, and novelty (0: it tells none); or why it cannot be read."""

    file: Path
    score: float
    unsure: float
    fault: str = ""
    novelty: float = 0.0


class Chosen(NamedTuple):
    """A row of the ranking: a picture that was chosen, or what it is like."""

    scored: Scored
    alike: Alike | None


def knowledge_gap(maps: SegmentationMaps) -> tuple[float, float]:
    """How much of a frame the model does not know, and the share of its pixels that are not sure.

        score = sqrt(share) mean(epistemic over the pixels that are not sure), in nats

    Between the mean, by which the edge of one plume outranks a bank of cloud that is taken for smoke, and the sum, by which no small
    plume is ever asked for. Source: ours; measured in training/EXPERIMENTS.md.
    """
    low, high = UNSURE
    unsure = (maps.probability >= low) & (maps.probability <= high)
    if not unsure.any():
        return 0.0, 0.0
    share = float(unsure.mean())
    return share**0.5 * float(maps.epistemic[unsure].mean()), share


def choose_frames(scored: Sequence[Scored], count: int, near: float, labelled: Sequence[Path] = ()) -> list[Chosen]:
    """The first pictures by score, at most `count` that are no near-duplicates, and between them those that are.

    Those of which the model is sure everywhere come last, the most novel first: what it misses is among them, and no doubt tells where.
    Where it tells no novelty they come in a random order.

    Args:
        scored: Pictures that can be read.
        count: How many are wanted.
        near, labelled: See `distinct`.
    """
    shuffled = np.random.default_rng(len(scored)).permutation(len(scored)).tolist()
    order = sorted(
        range(len(scored)), key=lambda place: (-scored[place].score, -scored[place].novelty, shuffled[place])
    )
    by_file = {scored[place].file: scored[place] for place in order}
    rows: list[Chosen] = []
    for file, alike in distinct(by_file, near, labelled):
        rows.append(Chosen(by_file[file], alike))
        count -= alike is None
        if not count:
            break
    return rows


def distinct(files: Iterable[Path], near: float, labelled: Sequence[Path] = ()) -> Iterator[tuple[Path, Alike | None]]:
    """The pictures in their order, each with the first that it is a near-duplicate of: one labelled, or one before that is none itself.

    Pictures are read as they are asked for. One that can no longer be read is left out.

    Args:
        files: The most wanted first.
        near: Correlation from which on two are near-duplicates, upright or mirrored; see `descriptor.NEAR`.
        labelled: Pictures that need no label any more.
    """
    with ThreadPoolExecutor() as pool:
        seen = list(pool.map(_descriptor, labelled))
    known = [file for file, descriptor in zip(labelled, seen, strict=True) if descriptor is not None]
    descriptors = [descriptor for descriptor in seen if descriptor is not None]
    for file in files:
        descriptor = _descriptor(file)
        if descriptor is None:
            continue
        place, correlation = nearest(descriptor, np.stack(descriptors)) if descriptors else (0, -1.0)
        if correlation >= min(near, _SAME):
            yield file, Alike(known[place], correlation)
        else:
            known.append(file)
            descriptors.append(descriptor)
            yield file, None


def _descriptor(file: Path) -> Descriptors | None:
    try:
        return scene_descriptor(load_image(file))
    except DataError:
        return None
