"""A released float graph -> the same in int8 (QDQ, per channel), but for the parts where eight bits blur the small plumes.

Float stay: the encoder up to its finest feature (or a further one), whose few channels span ranges of a hundred and whose rounding all
else inherits; the inference model and z, which cost nothing; g_gamma's first convolution, at full resolution; and the last layers of
both heads.

Activations get the range with the least cubed error of rounding, over values drawn from many frames: cubed, since the rare large values
are those of plumes; squared error clips some of them away, the extremes leave all others coarse.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime.quantization import QDQQuantizer, QuantType, quant_pre_process
from onnxruntime.quantization.calibrate import CalibrationMethod, TensorData, TensorsData

from training.engine.onnx_model import Frames, OnnxModel
from training.release.graph import QuantiseError, between, convolution, float_tensors, rewritten, taps

_GENERATOR = (
    "Add",
    "AveragePool",
    "Clip",
    "Concat",
    "Conv",
    "GlobalAveragePool",
    "LeakyRelu",
    "Mul",
    "Relu",
    "Resize",
)
_ESTIMATOR = ("Conv", "LeakyRelu")
"""Operators that are quantised; others between them stay float."""
_STEPS = 255
_VALUES_PER_FRAME = 512
_COMMON = np.linspace(1.0, 0.3, 15)
_EACH = np.linspace(0.6, 1.4, 9)
"""Shares of the extremes that are tried: for both ends at once, then for each end beside the best of those."""

_Values = npt.NDArray[np.float32]


class _Drawn(NamedTuple):
    """Some values of a tensor in one frame, and the extremes of all of them."""

    values: _Values
    lowest: float
    highest: float


def quantise(model: Path, frames: Iterable[Frames], out: Path, *, reduce_range: bool, float_features: int = 1) -> None:
    """Write the int8 form of a model file.

    Args:
        model: Float graph as `export` writes it.
        frames: What activations are calibrated on, each (1, size, size, 3) uint8.
        out: File to write.
        reduce_range: Weights of seven bits, for processors that add products of eight bits in 16.
        float_features: Of the encoder's features f1, f2, ... how many are computed in float; more is slower and nearer to fp32.

    Raises:
        QuantiseError: The graph is none of a SmokeSegmenter.
    """
    with TemporaryDirectory() as work:
        prepared = _prepared(model, Path(work))
        nodes = chosen(prepared, float_features)
        ranges = activation_ranges(prepared, float_tensors(prepared, nodes), frames, Path(work))
    quantizer = QDQQuantizer(
        prepared,
        per_channel=True,
        reduce_range=reduce_range,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=_as_tensors_data(ranges),
        nodes_to_quantize=[node.name for node in nodes],
        nodes_to_exclude=[],
        op_types_to_quantize=list(_GENERATOR),
        extra_options={},
    )
    quantizer.quantize_model()
    quantizer.model.save_model_to_file(str(out))  # sorts the nodes first


def chosen(model: onnx.ModelProto, float_features: int) -> list[onnx.NodeProto]:
    """The nodes that are quantised. Raises QuantiseError where the graph has not the layers that the choice goes by."""
    try:
        deepest = convolution(model, f"generator.lateral.{float_features - 1}.0").input[0]
        from_latent = convolution(model, "generator.deep_from_latent").output[0]
        second = convolution(model, "estimator.encoder.1.0").input[0]
        last = [convolution(model, f"estimator.{head}.2").input[0] for head in ("total", "aleatoric")]
        maps = [node.input[0] for node in taps(model)]
    except LookupError as error:
        raise QuantiseError(f"no graph of a SmokeSegmenter: {error}") from error
    generator = between(model, after=[deepest, from_latent], until=maps)
    estimator = between(model, after=[second], until=last)
    return [
        *(node for node in generator if node.op_type in _GENERATOR),
        *(node for node in estimator if node.op_type in _ESTIMATOR),
    ]


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


def least_error_range(values: _Values, lowest: float, highest: float) -> tuple[float, float]:
    """The range within [lowest, highest], and with 0 in it, whose 256 steps round values with the least cubed error.

    Clipping a few far values may cost less than a coarse step costs the others.
    """
    share = min(_COMMON, key=lambda share: rounding_error(values, lowest * share, highest * share))
    low, high = lowest * share, highest * share
    high = min((min(high * part, highest) for part in _EACH), key=lambda end: rounding_error(values, low, end))
    low = min((max(low * part, lowest) for part in _EACH), key=lambda end: rounding_error(values, end, high))
    return float(low), float(high)


def rounding_error(values: _Values, lowest: float, highest: float) -> float:
    """Mean cubed distance of values from the nearest of 256 steps from `lowest` to `highest`, one of which is 0."""
    step = (highest - lowest) / _STEPS
    if step <= 0.0:
        return float(np.mean(np.abs(values) ** 3))
    zero = round(-lowest / step)
    rounded = np.clip(np.round(values / step) + zero, 0, _STEPS)
    distance = np.abs((rounded - zero) * step - values)
    return float(np.mean(distance * distance * distance))


def _prepared(model: Path, folder: Path) -> onnx.ModelProto:
    """The graph rewritten, with constants and normalisations folded and shapes known."""
    whole, ready = folder / "rewritten.onnx", folder / "prepared.onnx"
    onnx.save(rewritten(onnx.load(model)), whole)
    # Symbolic inference is for graphs whose shapes ONNX's own does not find; these are known but for the batch.
    quant_pre_process(str(whole), str(ready), skip_symbolic_shape=True)
    return onnx.load(ready)


def _as_tensors_data(ranges: dict[str, tuple[float, float]]) -> TensorsData:
    found = {
        name: TensorData(lowest=np.array(low, np.float32), highest=np.array(high, np.float32))
        for name, (low, high) in ranges.items()
    }
    return TensorsData(CalibrationMethod.MinMax, found)


def _draw(values: _Values, rng: np.random.Generator) -> _Drawn:
    few = values if len(values) <= _VALUES_PER_FRAME else values[rng.integers(0, len(values), _VALUES_PER_FRAME)]
    return _Drawn(few, float(values.min()), float(values.max()))


def _range(drawn: Sequence[_Drawn]) -> tuple[float, float]:
    lowest, highest = min(found.lowest for found in drawn), max(found.highest for found in drawn)
    return least_error_range(np.concatenate([found.values for found in drawn]), min(lowest, 0.0), max(highest, 0.0))
