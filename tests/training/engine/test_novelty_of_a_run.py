"""A run that is done knows what it has seen: its novelty is fitted to its frames and lies in its checkpoint."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.geometry import fit
from models.networks.segmenter import SmokeSegmenter
from tests.training.conftest import Notes, Run, tiny, trained
from training.data.folders import read_frames
from training.data.frames import Frame, load_image
from training.engine import checkpoint as checkpoints
from training.engine import networks
from training.engine.networks import fit_novelty, load_segmenter


def test_the_frames_of_training_have_a_novelty_of_one_in_the_mean(tiny_run: Run):
    segmenter, config = load_segmenter(tiny_run.checkpoint)
    frames = read_frames(tiny_run.data, "train")
    with torch.inference_mode():
        images = torch.stack([torch.from_numpy(fit(load_image(f.image), config.data.size_px)) for f in frames])
        told = segmenter(images).novelty
    assert float(told.mean()) == pytest.approx(1.0, abs=0.01)


def test_a_frame_like_none_of_training_is_novel(tiny_run: Run):
    segmenter, config = load_segmenter(tiny_run.checkpoint)
    side = config.data.size_px
    with torch.inference_mode():
        told = segmenter(torch.randint(0, 256, (1, side, side, 3), dtype=torch.uint8)).novelty
    assert float(told) > 10.0


def test_a_run_of_an_earlier_version_gets_it_by_the_same_command_and_nothing_else_changes(
    tiny_run: Run, tmp_path: Path
):
    state = torch.load(tiny_run.checkpoint, weights_only=True)
    novelty = state.pop("novelty")
    torch.save(state, tmp_path / checkpoints.LAST)
    assert load_segmenter(tmp_path / checkpoints.LAST)[0].novelty.fitted is False
    trained(tiny(), tiny_run.data, tmp_path, Notes())
    again = checkpoints.load(tmp_path / checkpoints.LAST)
    assert torch.equal(again.novelty["whitening"], novelty["whitening"])
    before = checkpoints.load_averaged(tiny_run.checkpoint)
    assert all(
        torch.equal(value, before[name])
        for name, value in checkpoints.load_averaged(tmp_path / checkpoints.LAST).items()
    )


def test_it_is_not_fitted_twice(tiny_run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(networks, "_summary", lambda *_: pytest.fail("looked at again"))
    fit_novelty(tiny_run.checkpoint, read_frames(tiny_run.data, "train"))


def test_of_many_frames_some_of_all_cameras_do(tiny_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    frames, looked = read_frames(tiny_run.data, "train"), []
    unfitted = tmp_path / checkpoints.LAST
    torch.save(torch.load(tiny_run.checkpoint, weights_only=True) | {"novelty": {}}, unfitted)
    summary = networks._summary

    def watched(segmenter: SmokeSegmenter, frame: Frame, size_px: int) -> torch.Tensor:
        looked.append(frame.group)
        return summary(segmenter, frame, size_px)

    monkeypatch.setattr(networks, "_FRAMES_MAX", 5)
    monkeypatch.setattr(networks, "_summary", watched)
    fit_novelty(unfitted, frames)
    assert len(looked) == 5
    assert set(looked) == {"cam-a", "cam-b"}
    assert checkpoints.load(unfitted).novelty


def test_frames_that_are_all_alike_tell_nothing(tiny_run: Run, tmp_path: Path):
    unfitted = tmp_path / checkpoints.LAST
    torch.save(torch.load(tiny_run.checkpoint, weights_only=True) | {"novelty": {}}, unfitted)
    first = next(frame for frame in read_frames(tiny_run.data, "train") if frame.kind == "clear")
    fit_novelty(unfitted, [first, replace(first, group="other")])
    assert not checkpoints.load(unfitted).novelty
