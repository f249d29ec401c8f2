"""A released float graph -> the same in int8 (QDQ, per channel), but for the parts where eight bits blur the small plumes.

Float stay: the encoder up to its finest feature (or a further one), whose few channels span ranges of a hundred and whose rounding all
else inherits;
the inference model and z, which cost nothing; g_gamma's first convolution, at full resolution; and the last layers of both heads.
"""

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from onnxruntime.quantization import QDQQuantizer, QuantType, quant_pre_process
from onnxruntime.quantization.calibrate import CalibrationMethod, TensorData, TensorsData

from training.activation_ranges import activation_ranges
from training.engine.onnx_model import Frames
from training.int8_graph import between, convolution, float_tensors, rewritten, summed

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


class QuantiseError(RuntimeError):
    """A graph cannot be quantised by this recipe; the message says why."""


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
    except LookupError as error:
        raise QuantiseError(f"no graph of a SmokeSegmenter: {error}") from error
    maps = [node.input[0] for node in _head(model)]
    generator = between(model, after=[deepest, from_latent], until=maps)
    estimator = between(model, after=[second], until=last)
    return [
        *(node for node in generator if node.op_type in _GENERATOR),
        *(node for node in estimator if node.op_type in _ESTIMATOR),
    ]


def _head(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """The generator's last layer: the pointwise convolutions to nine taps, whose sum is padded."""
    found = [parts for node in model.graph.node if node.op_type == "Pad" and (parts := summed(model, node.input[0]))]
    if len(found) != 1:
        raise QuantiseError(f"no graph of a SmokeSegmenter: {len(found)} sums of taps, expected one")
    return found[0]


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
