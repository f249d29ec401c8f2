"""Which frames the activations of an int8 model are calibrated on."""

from collections.abc import Iterable, Sequence
from itertools import zip_longest

import numpy as np

from models.geometry import fit
from training.data.frames import REAL_SMOKE, SMOKE_FREE, Frame, load_image
from training.engine.onnx_model import Frames

_SMOKE_SHARE = 2 / 3


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


def _in_turn(frames: Sequence[Frame]) -> list[Frame]:
    """One frame of every camera group, then another of every group; those of a group in any order, for neighbours look alike."""
    rng = np.random.default_rng(0)
    groups: dict[str, list[Frame]] = {}
    for position in rng.permutation(len(frames)):
        groups.setdefault(frames[position].group, []).append(frames[position])
    return [frame for row in zip_longest(*groups.values()) for frame in row if frame is not None]
