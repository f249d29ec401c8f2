"""A PNG through torch and the same PNG through export, onnxruntime and the service: the maps that come out are the same."""

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from models.geometry import fit
from models.manifest import OUTPUTS
from service.__main__ import main as smoke_bvm
from tests.training.conftest import tiny
from training.data.synthetic import add_smoke, render_landscape, render_plume
from training.engine import checkpoint as checkpoints
from training.engine.checkpoint import Checkpoint
from training.engine.networks import build_segmenter
from training.engine.optimiser import moving_average
from training.evaluation.predictor import load_predictor
from training.release.export import export

MAXIMA = {"probability": 1.0, "total": math.log(2), "aleatoric": math.log(2), "epistemic": math.log(2)}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Networks with random weights and lively batch statistics: every map varies over the frame."""
    torch.manual_seed(3)
    config = tiny()
    segmenter = build_segmenter(config.network, pretrained=False).train()
    for _ in range(3):
        segmenter(torch.randint(0, 256, (4, config.data.size_px, config.data.size_px, 3), dtype=torch.uint8))
    with torch.no_grad():
        segmenter.generator.head.weight.mul_(20.0)
    path = tmp_path_factory.mktemp("run") / "last.ckpt"
    state = moving_average(segmenter.eval(), 0.9).state_dict()
    saved = Checkpoint(config, "estimator", 0, segmenter.state_dict(), state, {}, {})
    checkpoints.save(saved, path)
    return path


def test_every_map_of_a_png_differs_by_at_most_one_of_255(checkpoint: Path, tmp_path: Path):
    release = export(checkpoint, tmp_path / "released", None, "0.1.0", {})
    rng = np.random.default_rng(1)
    frame = add_smoke(render_landscape(rng, 90, 120), render_plume(rng, 90, 120, 0.5), rng)[0]
    cv2.imwrite(str(tmp_path / "frame.png"), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    arguments = [str(tmp_path / "frame.png"), "--out", str(tmp_path / "out"), "--outputs", ",".join(OUTPUTS)]
    assert smoke_bvm(["segment", *arguments, "--model-dir", str(release)]) == 0

    predictor = load_predictor(checkpoint)
    maps = predictor.predict(fit(frame, predictor.size_px))
    assert np.ptp(maps.probability) > 0.05
    for name, values in zip(OUTPUTS, maps.maps, strict=True):
        served = cv2.imread(str(tmp_path / f"out/frame.{name}.png"), cv2.IMREAD_UNCHANGED)
        expected = np.rint(values / MAXIMA[name] * 255.0)
        assert np.abs(served.astype(np.float64) - expected).max() <= 1.0, name
