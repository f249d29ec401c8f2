"""A released float graph -> the same in fp16, for a GPU, but for what half the precision would blur.

Float stay the frame's normalisation, means over the image, every sigmoid and entropy, and what follows the last layers of all heads:
the sum of the generator's taps, and maps of the frame's size.
"""

from pathlib import Path

import onnx
from onnxruntime.transformers.onnx_model import OnnxModel

from training.release.graph import QuantiseError, between, convolution, taps

_FLOAT = ("GlobalAveragePool", "ReduceMean", "Sigmoid")


def to_fp16(model: Path, out: Path) -> None:
    """Write the fp16 form of a model file; it takes and gives what the float one does.

    Raises:
        QuantiseError: The graph is none of a SmokeSegmenter.
    """
    made = onnx.load(model)
    kept = {node.name for node in made.graph.node} - set(halved(made))
    # The exporter notes a shape for weights too, and the converter would cast those.
    del made.graph.value_info[:]
    converter = OnnxModel(made)
    converter.convert_float_to_float16(
        use_symbolic_shape_infer=False, keep_io_types=True, op_block_list=[], node_block_list=sorted(kept)
    )
    converter.topological_sort()
    # These are from before casts beside casts were taken out.
    del converter.model.graph.value_info[:]
    onnx.checker.check_model(converter.model, full_check=True)
    onnx.save(converter.model, out)


def halved(model: onnx.ModelProto) -> list[str]:
    """The names of the nodes that work in fp16. Raises QuantiseError where the graph has not the layers that the choice goes by."""
    try:
        seen = convolution(model, "estimator.encoder.0.0").input[0]
        logits = [node.output[0] for node in taps(model)]
        doubt = [convolution(model, f"estimator.{head}.2").output[0] for head in ("total", "aleatoric")]
    except LookupError as error:
        raise QuantiseError(f"no graph of a SmokeSegmenter: {error}") from error
    # g_gamma sees the normalised image first, then s and H(s).
    image = next(node for node in model.graph.node if seen in node.output).input[0]
    nodes = between(model, after=[image], until=logits) + between(model, after=[seen], until=doubt)
    return [node.name for node in nodes if node.op_type not in _FLOAT]
