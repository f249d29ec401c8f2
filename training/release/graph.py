"""The graph of a SmokeSegmenter: which of its nodes lie between two places, and the same graph as int8 wants it.

DenseASPP convolves maps without concatenating them: pointwise convolutions whose outputs are added. In float that saves a copy; in int8
each of them would be rounded, and each of the sums again. One convolution of the concatenated maps adds up in 32 bits.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

_HEIGHT_AND_WIDTH = [2, 3]


class QuantiseError(RuntimeError):
    """A release gets no second model; the message says why."""


def rewritten(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same function: summed pointwise convolutions in front of a normalisation as one, means over the image as poolings."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    graph = made.graph
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    sums = _Sums(graph.node, weights)
    found = {tree[-1].output[0]: tree for node in graph.node if (tree := sums.under(node))}
    replaced = {node.output[0] for tree in found.values() for node in tree}
    for node in graph.node:
        if node.output[0] in found:
            tensor, merged = _merged(found[node.output[0]], weights)
            graph.initializer.append(tensor)
            nodes += merged
        elif node.output[0] not in replaced:
            nodes.append(_pooled(node, weights))
    used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(kept)
    return made


def convolution(model: onnx.ModelProto, module: str) -> onnx.NodeProto:
    """The only convolution with the weight of a torch module, by the module's name.

    Raises:
        LookupError: There is none, or more than one.
    """
    found = [n for n in model.graph.node if n.op_type == "Conv" and n.input[1].startswith(f"{module}.weight")]
    if len(found) != 1:
        raise LookupError(f"found {len(found)} convolutions with the weight of {module!r}, expected one")
    return found[0]


def summed(model: onnx.ModelProto, name: str) -> list[onnx.NodeProto]:
    """The pointwise convolutions whose outputs add up to a tensor."""
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    return [node for node in _Sums(model.graph.node, weights).tree(name) if node.op_type == "Conv"]


def taps(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """The generator's last layer: the pointwise convolutions to nine taps, whose sum is padded.

    Raises:
        LookupError: There is none, or more than one.
    """
    found = [parts for node in model.graph.node if node.op_type == "Pad" and (parts := summed(model, node.input[0]))]
    if len(found) != 1:
        raise LookupError(f"found {len(found)} sums of taps, expected one")
    return found[0]


def between(model: onnx.ModelProto, after: Iterable[str], until: Iterable[str]) -> list[onnx.NodeProto]:
    """The nodes that tensors `until` need and tensors `after` do not, in the graph's order."""
    producers = {output: node for node in model.graph.node for output in node.output}
    wanted = _ancestors(producers, until) - _ancestors(producers, after)
    return [node for node in model.graph.node if node.output[0] in wanted]


def float_tensors(model: onnx.ModelProto, nodes: Iterable[onnx.NodeProto]) -> list[str]:
    """The float tensors that nodes take and give, without weights; shapes must have been inferred."""
    graph = model.graph
    kinds = {v.name: v.type.tensor_type.elem_type for v in (*graph.value_info, *graph.input, *graph.output)}
    weights = {tensor.name for tensor in graph.initializer}
    names = dict.fromkeys(name for node in nodes for name in (*node.input, *node.output) if name not in weights)
    return [name for name in names if kinds.get(name) == onnx.TensorProto.FLOAT]


def _ancestors(producers: Mapping[str, onnx.NodeProto], names: Iterable[str]) -> set[str]:
    """First outputs of all nodes that tensors need."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        node = producers.get(waiting.pop())
        if node is not None and node.output[0] not in found:
            found.add(node.output[0])
            waiting += node.input
    return found


class _Sums:
    """Trees of additions whose leaves are pointwise convolutions without a bias, and that nothing else reads."""

    def __init__(self, nodes: Sequence[onnx.NodeProto], weights: Mapping[str, npt.NDArray[np.float32]]) -> None:
        self._producers = {output: node for node in nodes for output in node.output}
        self._uses = Counter(name for node in nodes for name in node.input)
        self._weights = weights

    def under(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        """The tree that a normalisation takes, its root last; empty where there is none."""
        found = self.tree(node.input[0]) if node.op_type == "BatchNormalization" else []
        return found if len(found) > 1 else []

    def tree(self, name: str) -> list[onnx.NodeProto]:
        """The tree that gives a tensor, left to right, its root last; empty where it is none."""
        node = self._producers.get(name)
        if node is None or self._uses[name] != 1:
            return []
        if node.op_type == "Conv":
            weight = self._weights.get(node.input[1])
            return [node] if weight is not None and weight.shape[2:] == (1, 1) and len(node.input) == 2 else []
        if node.op_type != "Add":
            return []
        left, right = (self.tree(side) for side in node.input)
        return [*left, *right, node] if left and right else []


def _merged(
    tree: Sequence[onnx.NodeProto], weights: Mapping[str, npt.NDArray[np.float32]]
) -> tuple[onnx.TensorProto, list[onnx.NodeProto]]:
    """The weight of the one convolution, and the nodes: a concatenation and that convolution."""
    parts = [node for node in tree if node.op_type == "Conv"]
    name = tree[-1].output[0]
    weight = np.concatenate([weights[part.input[1]] for part in parts], axis=1)
    concat = helper.make_node("Concat", [p.input[0] for p in parts], [f"{name}_parts"], f"{name}_parts", axis=1)
    together = helper.make_node("Conv", [f"{name}_parts", f"{name}_weight"], [name], f"{name}_together")
    return numpy_helper.from_array(weight, f"{name}_weight"), [concat, together]


def _pooled(node: onnx.NodeProto, weights: Mapping[str, npt.NDArray[np.float32]]) -> onnx.NodeProto:
    """A mean over height and width as the pooling that has an int8 kernel; any other node as it is."""
    if node.op_type != "ReduceMean" or len(node.input) < 2 or node.input[1] not in weights:
        return node
    kept = all(attribute.i for attribute in node.attribute if attribute.name == "keepdims")
    if weights[node.input[1]].tolist() != _HEIGHT_AND_WIDTH or not kept:
        return node
    return helper.make_node("GlobalAveragePool", [node.input[0]], list(node.output), node.name)
