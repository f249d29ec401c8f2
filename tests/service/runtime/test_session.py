import json
import logging
import math
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from models.manifest import Golden, Input, Manifest, describe
from service.errors import ModelUnusable, ProviderUnusable
from service.runtime.io_binding import BoundSession
from service.runtime.model import ModelInfo
from service.runtime.providers import RuntimeOptions
from service.runtime.session import OnnxModel, _check_provider, open_model
from tests.conftest import build_release, closed_form, closed_form_graph, closed_novelty
from tests.pictures import file_of, noisy, plain
from tests.service.runtime.conftest import promise

CPU = RuntimeOptions(provider="cpu")


def test_a_release_answers_as_its_closed_form_says(release):
    frame = noisy(3)
    prediction = open_model(release, CPU).predict([frame])[0]
    for name, expected in closed_form(frame).items():
        np.testing.assert_allclose(getattr(prediction, name), expected, atol=1e-6)


def test_the_identity_is_the_manifests(release):
    model = open_model(release, CPU)
    sha256 = describe(release / "model.onnx").sha256
    assert model.identity == ModelInfo("smoke-test", "0.0.1", sha256, "cpu", "fp32")
    assert (model.batch_max, model.manifest) == (1, Manifest.read(release))


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(ModelUnusable, match=r"nowhere/manifest\.json: not found; expected a release folder"):
        open_model(tmp_path / "nowhere", CPU)


@pytest.mark.parametrize("file", ["model.onnx", "golden/frame.png", "golden/maps.npz"])
def test_one_altered_bit_is_refused(broken, file):
    altered = bytearray((broken / file).read_bytes())
    altered[len(altered) // 2] ^= 1
    (broken / file).write_bytes(altered)
    with pytest.raises(ModelUnusable, match=rf"{file}: found File\(sha256=.*expected File\(sha256="):
        open_model(broken, CPU)


def test_a_truncated_model_is_refused(broken):
    (broken / "model.onnx").write_bytes((broken / "model.onnx").read_bytes()[:-10])
    with pytest.raises(ModelUnusable, match=r"model\.onnx: found"):
        open_model(broken, CPU)


def test_a_model_file_that_is_gone_is_refused(broken):
    (broken / "model.onnx").unlink()
    with pytest.raises(ModelUnusable, match=r"model\.onnx: missing"):
        open_model(broken, CPU)


def test_a_file_outside_the_release_is_refused(broken):
    manifest = json.loads((broken / "manifest.json").read_text())
    manifest["files"]["../outside"] = {"sha256": "0", "bytes": 0}
    (broken / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelUnusable, match="relative path inside the release"):
        open_model(broken, CPU)


def test_a_file_that_is_no_graph_is_refused_in_words(broken):
    (broken / "model.onnx").write_bytes(b"not a graph")
    promise(broken)
    with pytest.raises(ModelUnusable, match="onnxruntime cannot open it"):
        open_model(broken, CPU)


def test_a_graph_of_another_size_than_promised_is_refused(tmp_path):
    release = build_release(tmp_path, side=32, input=Input(size_px=64))
    with pytest.raises(ModelUnusable, match=r"found graph inputs .*\[32, 32, 3\].*expected .*\[64, 64, 3\]"):
        open_model(release, CPU)


def test_a_golden_frame_answered_otherwise_is_refused(broken):
    maps = closed_form(noisy(7))
    maps["aleatoric"] = maps["aleatoric"] + np.float32(0.01)
    np.savez(broken / "golden/maps.npz", **maps)
    promise(broken)
    with pytest.raises(ModelUnusable, match=r"golden frame, aleatoric .*: found a difference of 0\.01"):
        open_model(broken, CPU)


def test_a_golden_answer_within_the_tolerance_is_accepted(broken):
    maps = closed_form(noisy(7))
    maps["aleatoric"] = maps["aleatoric"] + np.float32(0.01)
    np.savez(broken / "golden/maps.npz", **maps)
    promise(broken, golden=Golden("golden/frame.png", "golden/maps.npz", 0.011))
    assert open_model(broken, CPU).predict([plain(0, 0, 0)])[0].total.max() == 0.0


def test_golden_maps_that_are_no_numbers_are_refused(broken):
    np.savez(broken / "golden/maps.npz", **{name: values * np.nan for name, values in closed_form(noisy(7)).items()})
    promise(broken)
    with pytest.raises(ModelUnusable, match="found a difference of nan"):
        open_model(broken, CPU)


def test_golden_maps_that_lack_an_output_are_refused(broken):
    maps = closed_form(noisy(7))
    del maps["total"]
    np.savez(broken / "golden/maps.npz", **maps)
    promise(broken)
    with pytest.raises(ModelUnusable, match=r"golden frame or its maps cannot be read.*total"):
        open_model(broken, CPU)


def test_a_golden_frame_that_does_not_decode_is_refused(broken):
    (broken / "golden/frame.png").write_bytes(file_of(noisy())[:100])
    promise(broken)
    with pytest.raises(ModelUnusable, match="golden frame or its maps cannot be read"):
        open_model(broken, CPU)


def test_a_required_gpu_that_is_not_there_stops_the_start(release):
    with pytest.raises(ProviderUnusable, match=r"found provider cpu, expected cuda .*offers .*CPUExecutionProvider"):
        open_model(release, RuntimeOptions(provider="auto", require="cuda"))


def test_a_wanted_gpu_that_is_not_there_is_missed_aloud(release, caplog):
    model = open_model(release, RuntimeOptions(provider="cuda"))
    assert model.identity.provider == "cpu"
    assert [record.message for record in caplog.records if record.levelno == logging.WARNING] == [
        "no usable GPU: running on the CPU, which is slower"
    ]


def test_a_gpu_build_that_falls_back_under_auto_says_so(monkeypatch, caplog):
    monkeypatch.setattr(
        "onnxruntime.get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )
    _check_provider("cpu", RuntimeOptions(provider="auto"))
    assert "no usable GPU" in caplog.text


def test_the_cpu_chosen_on_purpose_is_no_reason_to_warn(release, caplog):
    open_model(release, RuntimeOptions(provider="cpu", require="cpu"))
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


class FakeSession:
    """Answers with each frame's red share, and remembers the shapes it was given."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def run(self, outputs, feeds):
        frames = feeds["frame"]
        self.shapes.append(frames.shape)
        return [closed_form(frames)[name] for name in outputs]


@pytest.mark.parametrize(("count", "padded"), [(1, 1), (2, 2), (3, 4), (5, 8), (8, 8)])
def test_a_batch_is_padded_to_the_next_size_and_the_padding_dropped(release, count, padded):
    session = FakeSession()
    identity = ModelInfo("smoke-test", "0.0.1", "", "cuda", "fp32")
    model = OnnxModel(Manifest.read(release), identity, runners=1, batch_sizes=(1, 2, 4, 8), session=session)
    frames = [plain(10 * number, 0, 0) for number in range(1, count + 1)]
    levels = [prediction.probability[0, 0] * 255 for prediction in model.predict(frames)]
    assert np.round(levels).tolist() == [10 * number for number in range(1, count + 1)]
    assert session.shapes == [(padded, 32, 32, 3)]


@pytest.mark.parametrize("location", ["../outside.bin", "/etc/hostname", "weights.bin"])
def test_a_graph_whose_weights_lie_elsewhere_or_nowhere_is_refused(broken, location):
    graph = onnx.load(broken / "model.onnx")
    weight = graph.graph.initializer[0]
    (broken.parent / "outside.bin").write_bytes(bytes(4))
    weight.CopyFrom(onnx.numpy_helper.from_array(np.float32(255.0), weight.name))
    onnx.external_data_helper.set_external_data(weight, location)
    weight.ClearField("raw_data")
    (broken / "model.onnx").write_bytes(graph.SerializeToString())
    promise(broken)
    with pytest.raises(ModelUnusable, match="onnxruntime cannot open it"):
        open_model(broken, CPU)


def test_where_no_graph_can_be_recorded_the_model_opens_without_and_says_so(release, monkeypatch, caplog):
    monkeypatch.setattr(
        "onnxruntime.get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )
    tried = []

    def refuse_graphs(path: Path, options: RuntimeOptions):
        tried.append(options.cuda_graphs)
        if options.cuda_graphs:
            raise ModelUnusable("cannot capture")
        return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    monkeypatch.setattr("service.runtime.session._open_session", refuse_graphs)
    assert open_model(release, RuntimeOptions(threads=1)).predict([noisy(3)])
    assert tried == [True, False]
    assert [(record.message, record.reason) for record in caplog.records if record.levelno == logging.WARNING] == [
        ("no CUDA graph can be recorded: one frame at a time", "cannot capture")
    ]


def test_a_broken_model_is_refused_with_and_without_graphs(broken, monkeypatch):
    monkeypatch.setattr(
        "onnxruntime.get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )
    (broken / "model.onnx").write_bytes(b"not a graph")
    promise(broken)
    with pytest.raises(ModelUnusable, match="onnxruntime cannot open it"):
        open_model(broken, RuntimeOptions())


@pytest.mark.parametrize("threads", [1, 2])
def test_a_release_with_a_limit_tells_each_frames_novelty_and_one_without_tells_none(release, tmp_path, threads):
    options = RuntimeOptions(provider="cpu", threads=threads)
    frames = [noisy(3), plain(255, 255, 255)]
    told = open_model(build_release(tmp_path, novelty_limit=3.0), options)
    for frame in frames:
        (answer,) = told.predict([frame])
        assert answer.novelty == pytest.approx(closed_novelty(frame), rel=1e-5)
        np.testing.assert_allclose(answer.total, closed_form(frame)["total"], atol=1e-6)
    assert open_model(release, options).predict(frames[:1])[0].novelty is None


def test_a_batch_on_a_device_has_a_novelty_for_each_of_its_frames_and_none_for_the_padding(tmp_path):
    folder = build_release(tmp_path, novelty_limit=3.0)
    manifest, identity = Manifest.read(folder), ModelInfo("smoke-test", "0.0.1", "", "cuda", "fp32")
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    bound = BoundSession(session, manifest, (1, 2, 4), "cpu")
    model = OnnxModel(manifest, identity, runners=1, batch_sizes=(1, 2, 4), session=bound)
    for frames in ([plain(0, 0, 0), noisy(1), plain(255, 255, 255)], [noisy(2)]):
        told = [answer.novelty for answer in model.predict(frames)]
        assert told == pytest.approx([closed_novelty(frame) for frame in frames], rel=1e-5)


@pytest.mark.parametrize(("limit", "novel"), [(3.0, False), (None, True)])
def test_a_graph_that_tells_novelty_without_a_limit_or_none_with_one_is_refused(tmp_path, limit, novel):
    folder = build_release(tmp_path, novelty_limit=limit)
    onnx.save(closed_form_graph(novel=novel), folder / "model.onnx")
    promise(folder)
    with pytest.raises(ModelUnusable, match=r"found graph outputs .*, expected .*") as refused:
        open_model(folder, CPU)
    found, expected = str(refused.value).split("expected")
    assert ("novelty" in found, "novelty" in expected) == (novel, not novel)


@pytest.mark.parametrize(("scale", "found"), [(math.inf, "inf"), (math.nan, "nan"), (-1.0, r"-0\.\d+")])
def test_a_golden_frame_of_an_impossible_novelty_is_refused(tmp_path, scale, found):
    folder = build_release(tmp_path, novelty_limit=3.0)
    onnx.save(closed_form_graph(novel=True, scale=scale), folder / "model.onnx")
    promise(folder)
    with pytest.raises(ModelUnusable, match=rf"golden frame, novelty \(batch of 1\): found {found}, expected a finite"):
        open_model(folder, CPU)
