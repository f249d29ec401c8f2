"""The fp16 graph has half the bytes, takes and gives what the float graph does, and computes in float what it should."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from models.manifest import OUTPUTS
from training.engine.onnx_model import OnnxModel
from training.release.fp16 import to_fp16
from training.release.graph import QuantiseError
from training.release.parity import render_frames


@pytest.fixture(scope="module")
def files(released: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The tiny run's graph and its fp16 form; read only."""
    before, after = released / "model.onnx", tmp_path_factory.mktemp("fp16") / "model.fp16.onnx"
    to_fp16(before, after)
    return before, after


def kinds(model: onnx.ModelProto) -> dict[str, int]:
    """Element type of every tensor, by name."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    named = {value.name: value.type.tensor_type.elem_type for value in (*graph.value_info, *graph.input, *graph.output)}
    return named | {tensor.name: tensor.data_type for tensor in graph.initializer}


def test_the_file_takes_and_gives_what_the_float_one_does_in_half_the_bytes(files):
    before, after = (OnnxModel(file) for file in files)
    assert (after.input_name, after.input_type, after.input_shape) == ("frame", "tensor(uint8)", before.input_shape)
    assert (after.output_names, set(after.output_types)) == (list(OUTPUTS), {"tensor(float)"})
    whole, half = (file.stat().st_size for file in files)
    assert half < 0.6 * whole


def test_convolutions_are_in_fp16_and_sigmoids_entropies_and_means_in_float(files):
    model = onnx.load(files[1])
    found = kinds(model)
    by_type: dict[str, set[int]] = {}
    for node in model.graph.node:
        by_type.setdefault(node.op_type, set()).add(found[node.output[0]])
    assert by_type["Conv"] == {TensorProto.FLOAT16}
    assert [by_type[name] for name in ("Sigmoid", "Log", "ReduceMean", "Div")] == [{TensorProto.FLOAT}] * 4


def test_nothing_between_operators_in_float_is_rounded_to_fp16(files):
    model = onnx.load(files[1])
    casts = {node.output[0]: node for node in model.graph.node if node.op_type == "Cast"}
    assert not [name for name, node in casts.items() if node.input[0] in casts]
    smallest = [t for t in model.graph.initializer if t.data_type == TensorProto.FLOAT and t.dims == []]
    values = {float(onnx.numpy_helper.to_array(tensor)) for tensor in smallest}
    assert np.finfo(np.float32).tiny in values


def test_the_answers_are_near_the_float_ones_in_batches_of_any_size(files):
    before, after = (OnnxModel(file) for file in files)
    frames = render_frames(before.input_shape[1], 3)
    for expected, found in zip(before.run(frames), after.run(frames), strict=True):
        assert 0.0 < np.abs(expected - found).max() < 0.02
    _, total, aleatoric, epistemic = found = after.run(frames)
    assert np.abs(total - aleatoric - epistemic).max() < 1e-6
    for whole, alone in zip(found, after.run(frames[1:2]), strict=True):
        np.testing.assert_allclose(whole[1:2], alone, atol=2e-3)


def test_a_graph_of_another_kind_is_refused_in_words(release: Path, tmp_path: Path):
    with pytest.raises(QuantiseError, match=r"no graph of a SmokeSegmenter: found 0 .*'estimator\.encoder\.0\.0'"):
        to_fp16(release / "model.onnx", tmp_path / "out.onnx")
    assert not (tmp_path / "out.onnx").exists()
