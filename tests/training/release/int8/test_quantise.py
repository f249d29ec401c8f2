"""The int8 graph is QDQ, per channel, with the chosen layers in float, and answers much as the float graph does."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from models.manifest import OUTPUTS
from tests.conftest import SIDE
from tests.pictures import plain
from tests.training.conftest import Run
from training.engine.onnx_model import OnnxModel
from training.release.graph import QuantiseError
from training.release.int8.quantise import activation_ranges, least_error_range, quantise, rounding_error
from training.release.parity import render_frames

FLOAT_HEADS = ("estimator.total.2.weight", "estimator.aleatoric.2.weight", "estimator.encoder.0.0.weight")


@pytest.fixture(scope="module")
def float_file(released: Path) -> Path:
    """The tiny run's graph; read only."""
    return released / "model.onnx"


@pytest.fixture(scope="module")
def int8_file(float_file: Path, frames: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It in int8, with weights of eight bits; read only."""
    out = tmp_path_factory.mktemp("int8") / "model.int8.onnx"
    quantise(float_file, (frame[None] for frame in frames[:6]), out, reduce_range=False)
    return out


@pytest.fixture(scope="module")
def frames(tiny_run: Run) -> np.ndarray:
    return render_frames(tiny_run.config.data.size_px, 8)


def quantised(path: Path) -> dict[str, np.ndarray]:
    """Stored weights of the convolutions that take dequantised maps, by the name of the float weight."""
    graph = onnx.load(path).graph
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    producers = {output: node for node in graph.node for output in node.output}
    found = {}
    for node in graph.node:
        source = producers.get(node.input[0]) if node.op_type == "Conv" else None
        if source is not None and source.op_type == "DequantizeLinear" and node.input[1] in producers:
            stored = producers[node.input[1]]
            found[node.input[1].removesuffix("_DequantizeLinear_Output")] = (
                tensors[stored.input[0]],
                tensors[stored.input[1]],
            )
    return found


def test_the_file_takes_and_gives_what_the_float_one_does(float_file: Path, int8_file: Path):
    before, after = OnnxModel(float_file), OnnxModel(int8_file)
    assert (after.input_name, after.input_shape, after.output_names) == (
        before.input_name,
        before.input_shape,
        list(OUTPUTS),
    )
    onnx.checker.check_model(onnx.load(int8_file))


def test_weights_are_int8_with_a_scale_for_each_channel(int8_file: Path):
    found = quantised(int8_file)
    assert len(found) > 20
    for weight, scale in found.values():
        assert weight.dtype == np.int8
        assert scale.shape == (len(weight),)


def test_the_last_layers_of_both_heads_and_what_feeds_the_finest_feature_are_float(int8_file: Path):
    names = set(quantised(int8_file))
    assert not [name for name in names if name.startswith(FLOAT_HEADS)]
    assert not [name for name in names if "inference_model" in name or "conv_stem" in name]
    assert [name for name in names if name.startswith("generator.lateral.0.0.weight")]
    assert [name for name in names if name.startswith("estimator.encoder.1.0.weight")]


def test_the_answers_are_near_the_float_ones(float_file: Path, int8_file: Path, frames: np.ndarray):
    expected, found = (OnnxModel(path).run(frames) for path in (float_file, int8_file))
    for before, after in zip(expected, found, strict=True):
        assert 0.0 < np.abs(before - after).mean() < 0.02
    _, total, aleatoric, epistemic = found
    assert np.abs(total - aleatoric - epistemic).max() < 1e-6


def test_a_reduced_range_leaves_one_bit_of_the_weights_unused(float_file: Path, frames: np.ndarray, tmp_path: Path):
    quantise(float_file, [frames[:1]], tmp_path / "reduced.onnx", reduce_range=True)
    weights = [weight for weight, _ in quantised(tmp_path / "reduced.onnx").values()]
    assert max(int(np.abs(weight.astype(np.int16)).max()) for weight in weights) == 64


def test_more_features_in_float_leave_fewer_layers_quantised(float_file: Path, int8_file: Path, frames, tmp_path: Path):
    quantise(float_file, [frames[:1]], tmp_path / "two.onnx", reduce_range=False, float_features=2)
    fewer, more = set(quantised(tmp_path / "two.onnx")), set(quantised(int8_file))
    assert fewer < more
    assert [name for name in fewer if name.startswith("generator.lateral.0.0.weight")]


def test_a_graph_of_another_kind_is_refused_in_words(release: Path, frames: np.ndarray, tmp_path: Path):
    with pytest.raises(QuantiseError, match=r"no graph of a SmokeSegmenter: found 0 .*'generator\.lateral\.0\.0'"):
        quantise(release / "model.onnx", [frames[:1]], tmp_path / "out.onnx", reduce_range=False)
    assert not (tmp_path / "out.onnx").exists()


def test_values_on_the_steps_are_rounded_without_error():
    assert rounding_error(np.arange(256, dtype=np.float32), 0.0, 255.0) == 0.0


def test_evenly_spread_values_err_by_a_thirty_second_of_the_cubed_step():
    values = np.linspace(-1.0, 1.0, 200_001, dtype=np.float32)
    assert rounding_error(values, -1.0, 1.0) == pytest.approx((2.0 / 255.0) ** 3 / 32.0, rel=0.02)


def test_evenly_spread_values_keep_their_range():
    assert least_error_range(np.linspace(0.0, 6.0, 10_001, dtype=np.float32), 0.0, 6.0) == (0.0, 6.0)


def test_one_far_value_among_many_is_clipped_where_that_errs_less():
    values = np.append(np.random.default_rng(0).normal(size=2_000_000), 30.0).astype(np.float32)
    lowest, highest = least_error_range(values, float(values.min()), 30.0)
    assert highest < 29.0
    assert rounding_error(values, lowest, highest) < rounding_error(values, float(values.min()), 30.0)


def test_a_tensor_that_is_always_zero_has_no_range():
    assert least_error_range(np.zeros(10, np.float32), 0.0, 0.0) == (0.0, 0.0)


def test_the_ranges_are_of_all_frames_and_hold_zero(release: Path, tmp_path: Path):
    frames = [plain(grey, grey, grey, SIDE, SIDE)[None] for grey in (51, 102)]
    model = onnx.load(release / "model.onnx")
    ranges = activation_ranges(model, ["shares", "doubt"], frames, tmp_path)
    assert ranges == {name: (0.0, pytest.approx(0.4, abs=1e-6)) for name in ("shares", "doubt")}
