"""A mask as COCO run lengths: column by column, lengths of runs in turn without and with smoke, as pycocotools writes them."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from models.geometry import Mask

_DIGITS_MAX: Final = 7
"""Five bits a digit: enough for lengths below 2**33."""


@dataclass(frozen=True, slots=True)
class RunLengths:
    """A mask of (height, width) pixels; `counts` as `pycocotools.mask` takes and gives them, as text."""

    height: int
    width: int
    counts: str


def run_lengths(mask: Mask) -> RunLengths:
    """Encode a mask (height, width) bool."""
    height, width = mask.shape
    pixels = mask.ravel(order="F")
    changes = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    first = [0, 0] if pixels[0] else [0]
    lengths = np.diff(np.concatenate([first, changes, [pixels.size]]))
    return RunLengths(height, width, _compressed(lengths))


def _compressed(lengths: npt.NDArray[np.int64]) -> str:
    """From the fourth on less the last but one; then in digits of five bits, the least first, with 32 where another follows."""
    left = lengths.copy()
    left[3:] -= lengths[1:-2]
    digits = np.zeros((left.size, _DIGITS_MAX), np.uint8)
    open_ = np.ones(left.size, np.bool_)
    for place in range(_DIGITS_MAX):
        digit = left & 31
        left >>= 5
        more = np.where(digit & 16, left != -1, left != 0)
        digits[:, place] = np.where(open_, digit + 32 * more + 48, 0)
        open_ &= more
    return digits[digits > 0].tobytes().decode("ascii")
