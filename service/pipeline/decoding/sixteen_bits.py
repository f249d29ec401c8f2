"""16-bit grey or colour -> RGB: by the depth that the file declares, never by what the picture shows; or refused in words.

A thermal camera of 14 bits that writes its values as they are uses the lowest quarter of what 16 bits hold, and often a sliver of that:
the high byte alone would be a plain frame, in which there is never smoke.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from models.geometry import RGB
from service.errors import FrameModeUnsupported

_BITS: Final = 16
_LEVELS_MIN: Final = 32
_PLAIN: Final = 16


def rgb_of_16_bits(values: npt.NDArray[np.uint16], significant: int) -> RGB:
    """Keep the eight highest of the bits that carry something.

    Args:
        values: (height, width) of grey, or (height, width, 3) of RGB; in [0, 65535].
        significant: Bits that the file declares as carrying something (chunk sBIT); 16 where it declares none.

    Returns:
        (height, width, 3) uint8.

    Raises:
        FrameModeUnsupported: The values leave most of that depth empty.
    """
    values = values.astype(np.uint16)
    depth = significant if _in_low_bits(values, significant) else _BITS
    shown = (values >> (depth - 8)).astype(np.uint8)
    _check_use(values, shown, significant, depth)
    return shown if shown.ndim == 3 else np.repeat(shown[..., None], 3, axis=2)


def _in_low_bits(values: npt.NDArray[np.uint16], significant: int) -> bool:
    """Whether the samples were stored as they are; PNG wants them scaled up, which leaves the low bits of small ones empty."""
    rest = (1 << (_BITS - significant)) - 1 if 8 <= significant < _BITS else 0
    return bool(rest and values.max() < 1 << significant and (values & rest).any())


def _check_use(values: npt.NDArray[np.uint16], shown: npt.NDArray[np.uint8], significant: int, depth: int) -> None:
    """A frame of one tone loses nothing, one of many loses nearly all if few of them are left."""
    lowest, highest = int(values.min()), int(values.max())
    if highest - lowest < _PLAIN:
        return
    levels = int(shown.max()) - int(shown.min()) + 1
    undeclared = significant >= _BITS and highest < 1 << 14
    if levels < _LEVELS_MIN or undeclared:
        raise FrameModeUnsupported(
            f"found 16-bit values from {lowest} to {highest}, expected values that fill {depth} bits: "
            "declare the camera's depth (PNG chunk sBIT), or send 8 bits"
        )
