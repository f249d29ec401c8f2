"""Ranges of activations for eight bits: those with the least cubed error of rounding, over values drawn from many frames.

Cubed, since the rare large values are those of plumes: squared error clips some of them away, the extremes leave all others coarse.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import onnx

from training.engine.onnx_model import Frames, OnnxModel

_STEPS = 255
_VALUES_PER_FRAME = 512
_COMMON = np.linspace(1.0, 0.3, 15)
_EACH = np.linspace(0.6, 1.4, 9)
"""Shares of the extremes that are tried: for both ends at once, then for each end beside the best of those."""

Values = npt.NDArray[np.float32]


class _Drawn(NamedTuple):
    """Some values of a tensor in one frame, and the extremes of all of them."""

    values: Values
    lowest: float
    highest: float


def activation_ranges(
    model: onnx.ModelProto, names: Sequence[str], frames: Iterable[Frames], folder: Path
) -> dict[str, tuple[float, float]]:
    """The range of each tensor, which holds 0.

    Args:
        model: The float graph.
        names: Tensors of it that are not outputs of it.
        frames: Each (1, size, size, 3) uint8.
        folder: Where the graph that also gives these tensors is written.
    """
    seen = onnx.ModelProto()
    seen.CopyFrom(model)
    del seen.graph.output[:]
    seen.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    path = folder / "activations.onnx"
    onnx.save(seen, path)
    runner = OnnxModel(path)
    drawn: dict[str, list[_Drawn]] = {name: [] for name in names}
    rng = np.random.default_rng(0)
    for frame in frames:
        for name, values in zip(names, runner.run(frame), strict=True):
            drawn[name].append(_draw(values.ravel(), rng))
    return {name: _range(found) for name, found in drawn.items()}


def least_error_range(values: Values, lowest: float, highest: float) -> tuple[float, float]:
    """The range within [lowest, highest], and with 0 in it, whose 256 steps round values with the least cubed error.

    Clipping a few far values may cost less than a coarse step costs the others.
    """
    share = min(_COMMON, key=lambda share: rounding_error(values, lowest * share, highest * share))
    low, high = lowest * share, highest * share
    high = min((min(high * part, highest) for part in _EACH), key=lambda end: rounding_error(values, low, end))
    low = min((max(low * part, lowest) for part in _EACH), key=lambda end: rounding_error(values, end, high))
    return float(low), float(high)


def rounding_error(values: Values, lowest: float, highest: float) -> float:
    """Mean cubed distance of values from the nearest of 256 steps from `lowest` to `highest`, one of which is 0."""
    step = (highest - lowest) / _STEPS
    if step <= 0.0:
        return float(np.mean(np.abs(values) ** 3))
    zero = round(-lowest / step)
    rounded = np.clip(np.round(values / step) + zero, 0, _STEPS)
    distance = np.abs((rounded - zero) * step - values)
    return float(np.mean(distance * distance * distance))


def _draw(values: Values, rng: np.random.Generator) -> _Drawn:
    few = values if len(values) <= _VALUES_PER_FRAME else values[rng.integers(0, len(values), _VALUES_PER_FRAME)]
    return _Drawn(few, float(values.min()), float(values.max()))


def _range(drawn: Sequence[_Drawn]) -> tuple[float, float]:
    lowest, highest = min(found.lowest for found in drawn), max(found.highest for found in drawn)
    return least_error_range(np.concatenate([found.values for found in drawn]), min(lowest, 0.0), max(highest, 0.0))
