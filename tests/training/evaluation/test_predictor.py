"""One function of a frame, whether torch runs it or onnxruntime."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch

from models.close_ups import CloseUps
from models.manifest import OUTPUTS, Manifest, ManifestError, describe
from tests.conftest import SIDE, build_release, closed_form, closed_form_graph
from tests.pictures import noisy
from tests.training.closed_form import ClosedForm
from training.engine.networks import load_segmenter
from training.engine.onnx_model import OnnxModel
from training.evaluation import predictor
from training.evaluation.predictor import cached, load_predictor, onnx_predictor, torch_predictor
from training.metrics.calibration import Calibration


class Deployable(ClosedForm):
    """The closed form with the buffer that tells where a segmenter lives."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("temperature", torch.ones(()))


@pytest.fixture(params=["torch", "onnxruntime"])
def predict(request, release):
    return (
        torch_predictor(Deployable()) if request.param == "torch" else onnx_predictor(OnnxModel(release / "model.onnx"))
    )


@pytest.mark.parametrize("frame", [noisy(3, SIDE, SIDE), noisy(3, SIDE, SIDE)[:, ::-1]], ids=["frame", "mirrored view"])
def test_a_frame_gives_its_closed_form(predict, frame):
    expected = closed_form(frame)
    for name, values in zip(OUTPUTS, predict(frame).maps, strict=True):
        assert values.dtype == np.float32
        assert values == pytest.approx(expected[name], abs=1e-6)


def test_prediction_follows_no_gradient(predict):
    assert all(isinstance(values, np.ndarray) for values in predict(noisy(0, SIDE, SIDE)).maps)


def test_a_release_brings_its_own_size_threshold_and_smallest_region(release):
    found = load_predictor(release)
    assert (found.size_px, found.threshold, found.minimum_region) == (SIDE, 0.5, 0.01)
    assert found.description == "smoke-test-0.0.1"


def test_a_release_brings_what_it_was_measured_with(tmp_path):
    calibration = {"temperature": 2.0, "shift": -0.5, "above": 1.5}
    folder = build_release(tmp_path, close_ups=CloseUps(most=2), numbers={"calibration": calibration})
    found = load_predictor(folder)
    assert (found.close_ups, found.calibration) == (CloseUps(most=2), Calibration(**calibration))
    assert found.sha256 == Manifest.read(folder).sha256


def test_a_release_that_was_tampered_with_is_not_scored(tmp_path):
    folder = build_release(tmp_path)
    onnx.save(closed_form_graph(novel=True), folder / "model.onnx")
    with pytest.raises(ManifestError, match=r"model\.onnx: found File"):
        load_predictor(folder)


def test_a_release_answers_in_the_precision_that_is_asked_for(tmp_path):
    folder = build_release(tmp_path, novelty_limit=2.0)
    onnx.save(closed_form_graph(novel=True, scale=8.0), folder / "model.int8.onnx")
    fp32_alone = Manifest.read(folder)
    replace(
        fp32_alone,
        files={**fp32_alone.files, "model.int8.onnx": describe(folder / "model.int8.onnx")},
        models={**fp32_alone.models, "int8": "model.int8.onnx"},
        goldens={"int8": fp32_alone.golden},
    ).write(folder)
    fp32, int8 = load_predictor(folder), load_predictor(folder, "int8")
    frame = noisy(3, SIDE, SIDE)
    assert int8.predict(frame).novelty == pytest.approx(2 * fp32.predict(frame).novelty)
    assert (fp32.description, int8.description) == ("smoke-test-0.0.1", "smoke-test-0.0.1 in int8")
    with pytest.raises(ManifestError, match="found models fp32, int8, expected fp16 among them"):
        load_predictor(folder, "fp16")


def test_a_checkpoint_has_no_threshold(tiny_run):
    found = load_predictor(tiny_run.checkpoint)
    assert (found.size_px, found.threshold) == (64, None)
    assert found.description == "checkpoint last.ckpt"


def test_a_checkpoint_keeps_the_rate_of_its_configuration(tiny_run, monkeypatch):
    segmenter, config = load_segmenter(tiny_run.checkpoint)
    strict = config.model_copy(update={"false_alarms": 0.01})
    monkeypatch.setattr(predictor, "load_segmenter", lambda _: (segmenter, strict))
    assert load_predictor(tiny_run.checkpoint).false_alarms == 0.01


def test_what_is_cached_is_run_once_a_frame(predict):
    frame = noisy(3, SIDE, SIDE)
    asked = []

    def counted(image):
        asked.append(image)
        return predict(image)

    again = cached(counted)
    other = frame.copy()
    other[0, 0] ^= 1
    answers = [again(image) for image in (frame, other, frame.copy(), other)]
    assert len(asked) == 2
    assert answers[2] is answers[0]
    assert answers[3] is answers[1]
    assert all(np.array_equal(*maps) for maps in zip(answers[0], predict(frame), strict=True))
