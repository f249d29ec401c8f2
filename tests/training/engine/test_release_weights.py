"""A release becomes the networks that it was exported from: the same answers, and normalisations that learn on."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.networks.segmenter import SmokeSegmenter
from tests.training.conftest import Run, tiny, trained
from training.data.folders import read_frames
from training.engine import release_weights
from training.engine.checkpoint import CheckpointError
from training.engine.networks import build_segmenter, load_segmenter
from training.engine.onnx_model import OnnxModel
from training.engine.release_weights import fill_from_release
from training.engine.setup import start_segmenter
from training.release import export as exporting
from training.release.export import export
from training.release.parity import render_frames

SHIFTED = {"calibration": {"temperature": 1.7, "shift": -0.4, "above": 1.3}}


@pytest.fixture(scope="module")
def release(tiny_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny run as a release whose shown probability is calibrated; read only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exporting, "model_card", lambda *_: "of no whole evaluation\n")
        return export(tiny_run.checkpoint, tmp_path_factory.mktemp("released"), None, "0.1.0", SHIFTED)


@pytest.fixture
def frames() -> Tensor:
    return torch.from_numpy(render_frames(64, 4))


def fresh(*overrides: str) -> SmokeSegmenter:
    return build_segmenter(tiny(*overrides).network, pretrained=False)


def test_the_networks_answer_as_the_release_does(release: Path, frames: Tensor):
    segmenter = fresh()
    fill_from_release(segmenter, release, frames)
    unseen = render_frames(64, 3)[::-1].copy()
    with torch.no_grad():
        answers = segmenter(torch.from_numpy(unseen))
    released = OnnxModel(release / "model.onnx").run(unseen)
    for own, theirs in zip(answers[1:4], released[1:], strict=True):  # the uncertainties, which no calibration touches
        assert np.abs(own.numpy() - theirs).max() < 1e-4


def test_networks_with_modulation_by_z_take_a_release_without_it_and_one_with_it(
    release: Path, tiny_run: Run, frames: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config = tiny("network.modulated=true", f"initial={release}")
    segmenter = start_segmenter(config, read_frames([tiny_run.data], "train"), resumed=False).eval()
    assert not segmenter.generator.modulation.weight.any()
    nn.init.normal_(segmenter.generator.modulation.weight, std=0.3)
    monkeypatch.setattr(exporting, "load_segmenter", lambda _: (segmenter, config))
    monkeypatch.setattr(exporting, "model_card", lambda *_: "of no whole evaluation\n")
    modulated = export(tiny_run.checkpoint, tmp_path, None, "0.2.0", SHIFTED)
    taken = fresh("network.modulated=true")
    fill_from_release(taken, modulated, frames)
    torch.testing.assert_close(taken.generator.modulation.weight, segmenter.generator.modulation.weight)


def test_networks_that_were_filled_before_answer_as_the_release_does(release: Path, tiny_run: Run, frames: Tensor):
    segmenter = load_segmenter(tiny_run.checkpoint)[0]
    fill_from_release(segmenter, release, frames)
    with torch.no_grad():
        answers = segmenter(frames)
    released = OnnxModel(release / "model.onnx").run(frames.numpy())
    assert np.abs(answers.total.numpy() - released[1]).max() < 1e-4


def test_training_goes_on_at_another_size_than_the_release_has(release: Path, frames: Tensor):
    segmenter = fresh()
    fill_from_release(segmenter, release, torch.from_numpy(render_frames(96, 4)))
    with torch.no_grad():
        total = segmenter(frames).total.numpy()
    assert np.abs(total - OnnxModel(release / "model.onnx").run(frames.numpy())[1]).max() < 1e-4


def test_the_probability_is_raw_again_as_training_knows_it(release: Path, tiny_run: Run, frames: Tensor):
    segmenter, trained = fresh(), load_segmenter(tiny_run.checkpoint)[0]
    fill_from_release(segmenter, release, frames)
    with torch.no_grad():
        assert (segmenter(frames).probability - trained(frames).probability).abs().max() < 1e-4
    assert (float(segmenter.temperature), float(segmenter.shift), float(segmenter.above)) == (1.0, 0.0, 1.0)


def test_a_normalisation_that_was_put_back_knows_its_frames_and_changes_nothing(release: Path, frames: Tensor):
    segmenter = fresh()
    fill_from_release(segmenter, release, frames)
    convolution, norm = segmenter.estimator.encoder[1][0], segmenter.estimator.encoder[1][1]
    assert isinstance(norm, nn.BatchNorm2d)
    taken: list[Tensor] = []
    convolution.register_forward_hook(lambda *call: taken.append(call[2]))
    with torch.no_grad():
        segmenter(frames)
        settled, learning = norm.eval()(taken[0]), norm.train()(taken[0])
    assert torch.allclose(norm.running_mean, taken[0].mean((0, 2, 3)), atol=1e-3)
    assert torch.allclose(settled, learning, atol=1e-2 * float(settled.std()))


@pytest.mark.parametrize("other", ["network.channels=12", "network.channels=4", "network.dilations=[1,2,3]"])
def test_a_release_of_other_networks_is_refused_by_tensor(other: str, release: Path, frames: Tensor):
    with pytest.raises(CheckpointError, match=r"model\.onnx: of other networks: \d+ tensors differ, the first is '"):
        fill_from_release(fresh(other), release, frames)


def test_networks_that_answer_otherwise_are_refused(release: Path, frames: Tensor, monkeypatch: pytest.MonkeyPatch):
    in_order = release_weights._parts_in_order
    monkeypatch.setattr(release_weights, "_parts_in_order", lambda *found: (-part for part in in_order(*found)))
    with pytest.raises(CheckpointError, match=r"rebuilt networks answer otherwise: .*expected at most"):
        fill_from_release(fresh(), release, frames)


def test_a_run_starts_from_a_release(release: Path, tiny_run: Run, tmp_path: Path):
    config = tiny(f"initial={release}", "generator.stages=[{steps=1,batch=2,size_px=64}]", "estimator.stages=[]")
    started = start_segmenter(config, read_frames(tiny_run.data, "train"), resumed=False).eval()
    frames = torch.from_numpy(render_frames(64, 2))
    with torch.no_grad():
        answers = started(frames)
    assert np.abs(answers.total.numpy() - OnnxModel(release / "model.onnx").run(frames.numpy())[1]).max() < 1e-4

    class Silent:
        def step(self, *_: object) -> None: ...
        def validated(self, *_: object) -> None: ...

    assert trained(config, tiny_run.data, tmp_path / "run", Silent()).is_file()
