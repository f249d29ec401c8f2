"""The rewritten graph computes the same, with one convolution where there were several; and what lies between two places is known."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from training.release.graph import between, convolution, float_tensors, rewritten, summed


def summing_graph() -> onnx.ModelProto:
    """image -> two activations -> the sum of two pointwise convolutions -> normalisation -> mean over the image."""
    rng = np.random.default_rng(0)
    weights = {
        "left": rng.normal(size=(4, 3, 1, 1)),
        "right": rng.normal(size=(4, 3, 1, 1)),
        **{name: rng.uniform(0.5, 1.5, 4) for name in ("scale", "shift", "mean", "variance")},
    }
    nodes = [
        helper.make_node("Relu", ["image"], ["positive"], "relu"),
        helper.make_node("Sigmoid", ["image"], ["squashed"], "sigmoid"),
        helper.make_node("Conv", ["positive", "left"], ["a"], "conv_a"),
        helper.make_node("Conv", ["squashed", "right"], ["b"], "conv_b"),
        helper.make_node("Add", ["a", "b"], ["sum"], "add"),
        helper.make_node("BatchNormalization", ["sum", "scale", "shift", "mean", "variance"], ["normal"], "norm"),
        helper.make_node("ReduceMean", ["normal", "axes"], ["pooled"], "pool", keepdims=1),
    ]
    graph = helper.make_graph(
        nodes,
        "sums",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 5, 5])],
        [helper.make_tensor_value_info("pooled", TensorProto.FLOAT, [1, 4, 1, 1])],
        [
            *(numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()),
            numpy_helper.from_array(np.array([2, 3], np.int64), "axes"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def answer(model: onnx.ModelProto, image: np.ndarray) -> np.ndarray:
    return ReferenceEvaluator(model).run(None, {"image": image})[0]


def operators(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def test_one_convolution_of_the_concatenated_maps_takes_the_place_of_a_sum_of_them():
    model = summing_graph()
    image = np.random.default_rng(1).normal(size=(1, 3, 5, 5)).astype(np.float32)
    found = rewritten(model)
    onnx.checker.check_model(found, full_check=True)
    assert operators(found) == ["Relu", "Sigmoid", "Concat", "Conv", "BatchNormalization", "GlobalAveragePool"]
    np.testing.assert_allclose(answer(found, image), answer(model, image), atol=1e-6)


def test_the_graph_that_is_rewritten_stays_as_it_was():
    model = summing_graph()
    before = model.SerializeToString(deterministic=True)
    rewritten(model)
    assert model.SerializeToString(deterministic=True) == before


def test_a_sum_that_something_else_reads_is_left_alone():
    model = summing_graph()
    model.graph.node.append(helper.make_node("Relu", ["a"], ["also"], "other"))
    assert operators(rewritten(model)).count("Conv") == 2


def test_a_sum_without_a_normalisation_is_left_alone_and_its_convolutions_can_be_named():
    model = summing_graph()
    model.graph.node[5].CopyFrom(helper.make_node("Relu", ["sum"], ["normal"], "norm"))
    assert operators(rewritten(model)).count("Conv") == 2
    assert [node.name for node in summed(model, "sum")] == ["conv_a", "conv_b"]
    assert summed(model, "positive") == []


def test_the_nodes_between_two_places_are_those_that_the_later_needs_and_the_earlier_does_not():
    model = summing_graph()
    assert [node.name for node in between(model, after=["positive"], until=["sum"])] == [
        "sigmoid",
        "conv_a",
        "conv_b",
        "add",
    ]
    assert between(model, after=["sum"], until=["a"]) == []


def test_weights_are_no_tensors_to_calibrate():
    model = onnx.shape_inference.infer_shapes(summing_graph())
    assert float_tensors(model, model.graph.node[2:4]) == ["positive", "a", "squashed", "b"]


def test_a_convolution_is_found_by_its_module_or_missed_aloud():
    model = summing_graph()
    model.graph.node[2].input[1] = "module.left.weight"
    assert convolution(model, "module.left").name == "conv_a"
    with pytest.raises(LookupError, match=r"found 0 convolutions with the weight of 'module\.right', expected one"):
        convolution(model, "module.right")
