"""Every picture of a data set looked at once: what is wrong with it, how much smoke it shows and where, and what it looks like."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.audit.descriptor import Descriptors, scene_descriptor
from training.data.checks import fault_of
from training.data.files import DataError
from training.data.frames import SCRIBBLED, Frame, load_image, load_mask
from training.data.layouts.layout import read_layout

_THIRDS = 3


@dataclass(frozen=True, slots=True)
class Surveyed:
    """One frame.

    Attributes:
        frame: Which.
        split: train or val.
        fault: Why it cannot be used; empty where it can, and then the rest is known.
        size: Width and height.
        smoke: Share of its pixels, in [0, 1]; None where no mask says it, as on frames without smoke.
        place: Of the centre of its smoke among nine parts, 0 at the left upper to 8; None without.
        digest: SHA-256 of its pixels.
        descriptor: See `descriptor.scene_descriptor`.
    """

    frame: Frame
    split: str
    fault: str = ""
    size: tuple[int, int] = (0, 0)
    smoke: float | None = None
    place: int | None = None
    digest: str = ""
    descriptor: Descriptors | None = None


def survey(roots: Sequence[Path]) -> list[Surveyed]:
    """Look at every frame that the folders list, in their order.

    Raises:
        DataError: A folder is of no known layout, or an annotation cannot be read.
    """
    rows = [row for root in roots for row in read_layout(root)]
    with ThreadPoolExecutor() as pool:
        return list(pool.map(_look, rows))


def _look(row: tuple[str, Frame]) -> Surveyed:
    split, frame = row
    fault = fault_of(frame)
    if fault:
        return Surveyed(frame, split, fault)
    try:
        image = load_image(frame.image)
        mask = load_mask(frame, image.shape) if frame.mask and frame.kind != SCRIBBLED else None
    except DataError as error:
        return Surveyed(frame, split, str(error))
    return Surveyed(
        frame,
        split,
        size=(image.shape[1], image.shape[0]),
        smoke=None if mask is None else float(mask.mean()),
        place=None if mask is None else _place(mask),
        digest=hashlib.sha256(image.tobytes()).hexdigest(),
        descriptor=scene_descriptor(image),
    )


def _place(mask: np.ndarray) -> int | None:
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return None
    down = min(int(rows.mean() * _THIRDS / mask.shape[0]), _THIRDS - 1)
    across = min(int(columns.mean() * _THIRDS / mask.shape[1]), _THIRDS - 1)
    return _THIRDS * down + across
