"""The exported file is the module it came from, or it is refused; each trap has its own file with exactly that fault."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.manifest import OUTPUTS
from tests.conftest import SIDE
from tests.training.closed_form import ClosedForm
from training.release.parity import BATCHES, ParityError, check, render_frames


@pytest.fixture
def edited(release: Path, tmp_path: Path) -> Callable[..., Path]:
    """The closed-form file after an edit."""

    def edit(change: Callable[[Any], None]) -> Path:
        model = onnx.load(release / "model.onnx")
        change(model.graph)
        onnx.save(model, tmp_path / "edited.onnx")
        return tmp_path / "edited.onnx"

    return edit


def node(graph: Any, output: str) -> Any:
    return next(node for node in graph.node if output in node.output)


def rename_output(graph: Any) -> None:
    node(graph, "total").output[0] = "sum"
    node(graph, "aleatoric").input[0] = node(graph, "epistemic").input[0] = "sum"
    graph.output[1].name = "sum"


def swap_outputs(graph: Any) -> None:
    first, second, *rest = list(graph.output)
    del graph.output[:]
    graph.output.extend([second, first, *rest])


def fix_batch(graph: Any) -> None:
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 2


def rename_input(graph: Any) -> None:
    graph.input[0].name = node(graph, "values").input[0] = "image"


def add_noise(graph: Any) -> None:
    graph.node.append(helper.make_node("RandomNormalLike", ["values"], ["noise"]))


def hide_noise(graph: Any) -> None:
    """A random operator in the branch of an If, where a look at the outer nodes alone misses it."""
    noise = helper.make_node("RandomNormal", [], ["noise"], shape=[1])
    value = helper.make_tensor_value_info("noise", TensorProto.FLOAT, [1])
    branch = helper.make_graph([noise], "branch", [], [value])
    graph.initializer.append(helper.make_tensor("always", TensorProto.BOOL, [], [True]))
    graph.node.append(helper.make_node("If", ["always"], ["drawn"], then_branch=branch, else_branch=branch))


def lose_a_node(graph: Any) -> None:
    graph.node.remove(node(graph, "aleatoric"))


def break_identity(graph: Any) -> None:
    node(graph, "epistemic").input[1] = "total"


def test_a_file_that_is_its_module_passes_with_its_differences(release):
    differences = check(ClosedForm(), release / "model.onnx", SIDE)
    assert tuple(differences) == OUTPUTS
    assert max(differences.values()) <= 1e-6


def test_a_module_that_differs_by_more_than_the_tolerance_is_refused_by_output_and_frame(release):
    with pytest.raises(ParityError, match=r"batch 1: probability differs by 0\.00\d+, expected at most 0\.0001"):
        check(ClosedForm(gain=1.001), release / "model.onnx", SIDE)


def test_the_difference_that_is_returned_is_the_largest_one(release):
    # The white frame has probability 1: there the gain shows most.
    assert check(ClosedForm(gain=1 + 5e-5), release / "model.onnx", SIDE)["probability"] == pytest.approx(
        5e-5, rel=0.01
    )


def test_a_difference_that_is_no_number_is_refused(release):
    with pytest.raises(ParityError, match="probability differs by nan"):
        check(ClosedForm(gain=float("nan")), release / "model.onnx", SIDE)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (add_noise, r"random operators in the graph: \['RandomNormalLike'\], expected none"),
        (hide_noise, r"random operators in the graph: \['RandomNormal'\], expected none"),
        (rename_output, r"outputs are \['probability', 'sum'"),
        (swap_outputs, r"outputs are \['total', 'probability'"),
        (rename_input, r"input .* is \('image'"),
        (fix_batch, r"batch is dynamic\) is .*False\), expected .*True\)"),
        (lose_a_node, "no valid graph: "),
        (break_identity, r"total - aleatoric - epistemic is .* nats, expected 0"),
    ],
)
def test_a_file_with_a_fault_is_refused_by_that_fault(edited, change, words):
    with pytest.raises(ParityError, match=words):
        check(ClosedForm(), edited(change), SIDE)


def test_a_file_for_another_size_is_refused_with_both(release):
    with pytest.raises(ParityError, match=rf"\[{SIDE}, {SIDE}, 3\].*expected .*\[64, 64, 3\]"):
        check(ClosedForm(), release / "model.onnx", 64)


def test_tensors_outside_the_file_are_refused(release, tmp_path):
    model = onnx.load(release / "model.onnx")
    for tensor in model.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor), tensor.name))
    onnx.save(model, tmp_path / "split.onnx", save_as_external_data=True, size_threshold=0, location="weights.bin")
    with pytest.raises(ParityError, match="lie outside the file"):
        check(ClosedForm(), tmp_path / "split.onnx", SIDE)


def test_frames_differ_from_each_other_and_are_the_same_at_every_call():
    frames = render_frames(24, max(BATCHES))
    assert frames.shape == (8, 24, 24, 3)
    assert frames.dtype == np.uint8
    assert len({frame.tobytes() for frame in frames}) == 8
    assert np.array_equal(frames[:2], render_frames(24, 2))
