"""onnxruntime as training uses it: what the file says of itself, and what it answers."""

import numpy as np

from models.manifest import OUTPUTS
from tests.conftest import SIDE, closed_form
from tests.pictures import noisy
from training.engine.onnx_model import OnnxModel


def test_a_file_tells_its_names_types_and_shape(release):
    model = OnnxModel(release / "model.onnx")
    assert (model.input_name, model.input_type, model.input_shape) == (
        "frame",
        "tensor(uint8)",
        ["batch", SIDE, SIDE, 3],
    )
    assert tuple(model.output_names) == OUTPUTS
    assert set(model.output_types) == {"tensor(float)"}


def test_a_batch_gives_one_array_per_output_in_order(release):
    frames = np.stack([noisy(seed, SIDE, SIDE) for seed in range(3)])
    found = OnnxModel(release / "model.onnx").run(frames)
    for name, values in zip(OUTPUTS, found, strict=True):
        assert values.shape == (3, SIDE, SIDE)
        assert np.abs(values - closed_form(frames)[name]).max() < 1e-6
