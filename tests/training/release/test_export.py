"""A checkpoint becomes a complete release that verifies, or nothing at all."""

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch

from models.close_ups import CloseUps
from models.drift import Histogram
from models.gate import Gate
from models.geometry import fit
from models.manifest import OUTPUTS, Manifest, ManifestError
from models.operating_points import OperatingPoint, OperatingPoints
from tests.training.conftest import Run, tiny
from training.engine import checkpoint as checkpoints
from training.engine.networks import load_segmenter
from training.engine.onnx_model import OnnxModel
from training.evaluation.predictor import load_predictor
from training.release import export as exporting
from training.release.export import export, golden_frame
from training.release.parity import BATCHES, render_frames

REPORT = {"threshold": 0.3125, "ece": 0.02, "by_group": {"cam": {}}}


def test_a_release_verifies_and_is_one_the_contract_knows(released, tiny_run):
    manifest = Manifest.read(released)
    manifest.verify(released)
    assert released.name == f"{manifest.name}-{manifest.version}" == "smoke-tiny-0.1.0"
    assert manifest.input.size_px == tiny_run.config.data.size_px
    assert manifest.provenance["configuration_sha256"] == tiny_run.config.sha256()
    assert set(manifest.parity) == set(OUTPUTS)
    assert 0.0 <= max(manifest.parity.values()) <= 1e-4


def test_every_file_of_a_release_but_its_manifest_has_a_checksum(released):
    files = {str(path.relative_to(released)) for path in released.rglob("*") if path.is_file()}
    assert files == {*Manifest.read(released).files, "manifest.json"}
    assert "MODEL_CARD.md" in files


def test_nothing_but_the_release_is_left_in_its_folder(released):
    assert [path.name for path in released.parent.iterdir()] == [released.name]


def test_the_golden_maps_are_what_the_file_answers_to_the_golden_frame(released):
    manifest = Manifest.read(released)
    frame = cv2.cvtColor(cv2.imread(str(released / manifest.golden.frame)), cv2.COLOR_BGR2RGB)
    assert np.array_equal(frame, golden_frame())
    found = OnnxModel(released / "model.onnx").run(fit(frame, manifest.input.size_px)[None])
    expected = np.load(released / manifest.golden.maps)
    for name, values in zip(OUTPUTS, found, strict=True):
        assert np.abs(values[0] - expected[name]).max() <= manifest.golden.tolerance / 10


def test_where_it_was_measured_the_graph_tells_novelty_as_the_module_does(
    tiny_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(exporting, "model_card", lambda *_: "a card\n")
    report = REPORT | {"novelty": {"median": 0.9, "limit": 2.5, "share": 0.05}}
    folder = export(tiny_run.checkpoint, tmp_path, None, "1.2.3", report)
    manifest = Manifest.read(folder)
    assert manifest.novelty_limit == 2.5
    assert set(manifest.parity) == {*OUTPUTS, "novelty"}
    frames = render_frames(manifest.input.size_px, 3)
    *_, told = OnnxModel(folder / "model.onnx").run(frames)
    segmenter, _ = load_segmenter(tiny_run.checkpoint)
    with torch.inference_mode():
        expected = segmenter(torch.from_numpy(frames)).novelty.numpy()
    assert told.shape == (3,)
    np.testing.assert_allclose(told, expected, rtol=1e-3)


def test_a_release_is_looked_through_as_it_was_measured(tiny_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(exporting, "model_card", lambda *_: "a card\n")
    measured = CloseUps(largest=0.01, most=2)
    folder = export(tiny_run.checkpoint, tmp_path, None, "1.2.3", REPORT | {"close_ups": asdict(measured)})
    assert Manifest.read(folder).close_ups == load_predictor(folder).close_ups == measured


def test_of_a_release_that_nobody_measured_the_graph_tells_no_novelty(released: Path):
    assert Manifest.read(released).novelty_limit is None
    assert OnnxModel(released / "model.onnx").output_names == list(OUTPUTS)


def test_torch_and_onnxruntime_agree_on_frames_that_the_export_did_not_see(released, tiny_run):
    segmenter, config = load_segmenter(tiny_run.checkpoint)
    frames = render_frames(config.data.size_px, max(BATCHES) + 5)[-5:]
    with torch.inference_mode():
        expected = segmenter(torch.from_numpy(frames))
    for name, one, other in zip(OUTPUTS, expected[:4], OnnxModel(released / "model.onnx").run(frames), strict=True):
        assert np.abs(one.numpy() - other).max() <= 1e-4, name


def test_the_file_is_deterministic_and_whole(released):
    model = onnx.load(released / "model.onnx", load_external_data=False)
    assert not any(tensor.external_data for tensor in model.graph.initializer)
    frames = render_frames(64, 2)
    first, second = (OnnxModel(released / "model.onnx").run(frames) for _ in range(2))
    assert all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))


def test_what_ships_is_the_average_and_not_the_last_step(tiny_run):
    segmenter, _ = load_segmenter(tiny_run.checkpoint)
    saved = checkpoints.load(tiny_run.checkpoint)
    state = segmenter.state_dict()
    assert all(torch.equal(state[name], saved.average[f"module.{name}"]) for name in state)
    assert not all(torch.equal(state[name], saved.segmenter[name]) for name in state)
    assert not any(module.training for module in segmenter.modules())


def test_a_release_without_an_evaluation_says_so(released):
    assert Manifest.read(released).threshold == 0.5
    assert "Not evaluated" in (released / "MODEL_CARD.md").read_text()


@pytest.mark.usefixtures("untraced")
def test_threshold_and_numbers_come_from_the_evaluation(tiny_run, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "model_card", lambda *_: "a card\n")
    manifest = Manifest.read(export(tiny_run.checkpoint, tmp_path / "out", "smoke-other", "1.2.3", REPORT))
    assert (manifest.name, manifest.version, manifest.threshold) == ("smoke-other", "1.2.3", 0.3125)
    assert manifest.numbers == {"ece": 0.02}
    assert (manifest.gate, manifest.reference) == (None, None)


@pytest.mark.usefixtures("untraced")
def test_gate_reference_and_operating_points_come_from_the_evaluation(tiny_run, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "model_card", lambda *_: "a card\n")
    histogram = {"edges": [0.0, 0.5, 1.0], "shares": [0.25, 0.75]}
    gate = {"weights": {"epistemic": 2.0}, "limit": 0.125}
    points = OperatingPoints(0.95, 40, 20, (OperatingPoint(0.5, 0.0, 0.14, 0.9),))
    report = REPORT | {"gate": {"gate": gate, "fitted": {}}, "reference": {"brightness": histogram}}
    report["operating_points"] = asdict(points)
    manifest = Manifest.read(export(tiny_run.checkpoint, tmp_path / "out", None, "1.2.3", report))
    assert manifest.gate == Gate({"epistemic": 2.0}, 0.125)
    assert manifest.operating_points == points
    assert manifest.reference == {"brightness": Histogram((0.0, 0.5, 1.0), (0.25, 0.75))}


def test_a_release_is_not_loaded_once_it_is_tampered_with(released, tmp_path):
    copied = shutil.copytree(released, tmp_path / released.name)
    assert load_predictor(copied).threshold == 0.5
    raw = json.loads((copied / "manifest.json").read_text())
    (copied / raw["models"]["fp32"]).write_bytes(b"another model")
    with pytest.raises(ManifestError, match=r"model\.onnx: found"):
        load_predictor(copied)


def test_a_trace_takes_every_batch(released):
    model = OnnxModel(released / "model.onnx")
    for batch in (1, 2, 3, 8, 11):
        assert all(values.shape == (batch, 64, 64) for values in model.run(render_frames(64, batch)))


def test_the_golden_frame_is_the_same_at_every_call():
    assert golden_frame().shape == (480, 640, 3)
    assert np.array_equal(golden_frame(), golden_frame())


@pytest.mark.usefixtures("untraced")
def test_an_estimator_that_has_no_phase_of_its_own_learnt_beside_the_generator(tiny_run, tmp_path):
    found = checkpoints.load(tiny_run.checkpoint)
    beside = tiny("estimator.joint_every=2", "estimator.stages=[]")
    checkpoints.save(replace(found, phase="generator", config=beside), tmp_path / "last.ckpt")
    released = export(tmp_path / "last.ckpt", tmp_path / "out", None, "0.1.0", {})
    card = (released / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "g_gamma beside it, one step in 2" in card
    assert "Exported before the run's end, after 12 of the 24 steps of phase generator." in card


def test_the_card_of_a_run_that_ended_says_nothing_of_an_end(released: Path):
    assert "Exported before" not in (released / "MODEL_CARD.md").read_text(encoding="utf-8")


@pytest.mark.usefixtures("untraced")
def test_a_release_names_no_folder_of_the_machine_that_made_it(tiny_run: Run, tmp_path: Path):
    state = torch.load(tiny_run.checkpoint, weights_only=True)
    far = (
        "initial=/far/away/start.ckpt",
        "network.encoder_weights=/far/away/resnet.pth",
        'estimator.members=["/far/away/member.ckpt"]',
    )
    torch.save(state | {"config": tiny(*far).model_dump_json()}, tmp_path / "last.ckpt")
    folder = export(tmp_path / "last.ckpt", tmp_path / "out", None, "0.1.0", {})
    text = (folder / "manifest.json").read_text()
    provenance = json.loads(text)["provenance"]["configuration"]
    assert provenance["initial"] == ["start.ckpt"]
    assert provenance["estimator"]["members"] == ["member.ckpt"]
    assert '"encoder_weights": "resnet.pth"' in text
    assert "/far" not in text + (folder / "MODEL_CARD.md").read_text()


def test_the_model_file_does_not_say_where_on_a_machine_it_was_made(released: Path):
    model = onnx.load(released / "model.onnx")
    assert not any(node.metadata_props for node in model.graph.node)
    assert b".py" not in (released / "model.onnx").read_bytes()
